//! The user's filter expression: compiled by libpcap before confinement, once for each link type.

use std::collections::BTreeMap;

use pcap::{BpfProgram, Capture};

use crate::link;
use crate::sys;

/// A filter expression, or none.
pub struct Filters {
    /// By `LINKTYPE_` number: the program, or why the expression means nothing on such a link.
    programs: Option<BTreeMap<u32, Result<BpfProgram, String>>>,
}

impl Filters {
    /// Compiles an expression for every supported link type.
    pub fn compile(expression: Option<&str>) -> Self {
        let Some(expression) = expression.filter(|expression| !expression.trim().is_empty()) else {
            return Self { programs: None };
        };
        let compile = |link_type| (link_type, program(expression, link_type));
        Self { programs: Some(link::SUPPORTED.into_iter().map(compile).collect()) }
    }

    /// Libpcap's words if the expression compiles for no link type at all.
    pub fn hopeless(&self) -> Option<&str> {
        let programs = self.programs.as_ref()?;
        if programs.values().any(Result::is_ok) {
            return None;
        }
        // What is wrong with an expression on every link is wrong on the most usual.
        let words = programs.get(&link::ETHERNET)?.as_ref().err()?;
        Some(words)
    }

    /// The program for a link type. An unsupported link type has none: its frames are set aside anyway.
    pub fn program(&self, link_type: u32) -> Result<Option<&BpfProgram>, &str> {
        match self.programs.as_ref().and_then(|programs| programs.get(&link_type)) {
            None => Ok(None),
            Some(Ok(program)) => Ok(Some(program)),
            Some(Err(words)) => Err(words),
        }
    }
}

/// Whether a program lets a frame through.
#[inline]
pub fn passes(program: Option<&BpfProgram>, data: &[u8], original: u32) -> bool {
    program.is_none_or(|program| sys::bpf_filter(program.get_instructions(), data, original))
}

fn program(expression: &str, link_type: u32) -> Result<BpfProgram, String> {
    Capture::dead(link::for_compiler(link_type))
        .and_then(|compiler| compiler.compile(expression, true))
        .map_err(|error| words(&error))
}

/// What libpcap said, without what the crate puts before it.
pub fn words(error: &pcap::Error) -> String {
    if let pcap::Error::PcapError(words) = error { words.clone() } else { error.to_string() }
}
