//! Names for flow files: of each, the one with the smallest connection counter that names nothing yet.
//!
//! Which counter a flow gets is settled when its first byte comes, so that names follow from the input alone. In a
//! directory that was empty when it was begun with that counter is free, and the file may be made later, and by the
//! thread that also closes it (`closing`).

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;
use proto::flow::FlowOpen;
use proto::template::Template;

use crate::counter::Counters;
use crate::directory::Directory;
use crate::name::render_in;

/// Makes names, and files of these names.
#[derive(Debug)]
pub struct Naming {
    directory: Arc<Directory>,
    template: Arc<Template>,
    /// What names begin with, beneath the output directory.
    prefix: String,
    /// What they end with.
    suffix: &'static str,
    counters: Arc<Mutex<Counters>>,
    /// Whether nothing is there that was not made by these names.
    is_empty: bool,
}

impl Naming {
    /// Names in this directory by this template, and with this behind it. As long as the process may still look, it
    /// sees whether the directory is empty.
    pub fn new(directory: Arc<Directory>, template: Template, suffix: &'static str) -> Self {
        Self {
            is_empty: directory.is_empty().unwrap_or(false),
            directory,
            template: Arc::new(template),
            prefix: String::new(),
            suffix,
            counters: Arc::default(),
        }
    }

    /// The same names in a new directory within that, whose name ends in a slash.
    pub fn within(&self, prefix: String) -> Self {
        let Self { directory, template, suffix, counters, .. } = self;
        Self {
            directory: Arc::clone(directory),
            template: Arc::clone(template),
            prefix,
            suffix,
            counters: Arc::clone(counters),
            is_empty: true,
        }
    }

    /// The directory that files are made in.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Whether a name is free that no other flow was given, unless somebody else puts something there meanwhile.
    pub fn are_certain(&self) -> bool {
        self.is_empty
    }

    /// A name for a flow's file, which no other flow is given.
    pub fn name(&self, flow: &FlowOpen) -> Box<str> {
        let mut name = render_in(&self.prefix, &self.template, flow, 0);
        let counter = self.counters.lock().unwrap_or_else(PoisonError::into_inner).take(&name);
        if counter > 0 {
            name = render_in(&self.prefix, &self.template, flow, counter);
        }
        name.push_str(self.suffix);
        name.into_boxed_str()
    }

    /// Creates a flow's file by `name`, or by the next name that nothing has.
    pub fn create(&self, flow: &FlowOpen, name: &mut Box<str>) -> Result<OwnedFd, Errno> {
        loop {
            match self.directory.create_new(name) {
                Err(Errno::EEXIST) => *name = self.name(flow),
                result => return result,
            }
        }
    }

    /// Whether a file of this name does not lie in the directory that all are made in, but in one of its own.
    pub fn is_alone(&self, name: &str) -> bool {
        name.get(self.prefix.len()..).is_some_and(|name| name.contains('/'))
    }
}
