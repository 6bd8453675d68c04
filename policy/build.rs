//! Compiles the system-call policies (`seccomp/*.json`) to BPF, so that no privileged process parses JSON.
//!
//! Each file is in seccompiler's own format but for three keys that are taken out here: `comment` and `extends` at
//! the top, of which the latter names lists whose rules go before, and `arch` on a rule, which keeps the rule to one
//! architecture where calls differ.
//!
//! Where the compiler was told to put the address sanitizer in, and nowhere else, what its runtime calls
//! (`sanitizer/address.json`) goes into each list whose default is to kill, and the crate is told by `cfg(sanitized)`.
//! What it then links to is the sanitizer's own, so that a build without it that gets this far does not link.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use seccompiler::{BpfProgram, TargetArch, compile_from_json, sock_filter};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=seccomp");
    println!("cargo::rerun-if-changed=sanitizer");
    println!("cargo::rustc-check-cfg=cfg(sanitized)");
    let sanitizers = env::var("CARGO_CFG_SANITIZE").unwrap_or_default();
    let additions = if sanitizers.split(',').any(|name| name == "address") {
        println!("cargo::rustc-cfg=sanitized");
        additions()?
    } else {
        Vec::new()
    };
    let arch = env::var("CARGO_CFG_TARGET_ARCH")?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    for entry in fs::read_dir("seccomp")? {
        let path = entry?.path();
        // Both are compiled on any machine: a policy that only the other architecture refuses is found here.
        for candidate in ["x86_64", "aarch64"] {
            let program =
                compile(&path, candidate, &additions).map_err(|e| format!("{}: {e}", path.display()))?;
            if candidate == arch {
                let name = path.file_stem().ok_or("policy without a name")?;
                fs::write(out.join(name).with_extension("rs"), source(&program)?)?;
            }
        }
    }
    Ok(())
}

/// What the sanitizer's runtime calls.
fn additions() -> Result<Vec<Value>, Box<dyn Error>> {
    let list: Value = serde_json::from_slice(&fs::read("sanitizer/address.json")?)?;
    Ok(list.get("filter").and_then(Value::as_array).ok_or("no filter")?.clone())
}

fn compile(path: &Path, arch: &str, additions: &[Value]) -> Result<BpfProgram, Box<dyn Error>> {
    let mut policy: Value = serde_json::from_slice(&fs::read(path)?)?;
    let map = policy.as_object_mut().ok_or("not an object")?;
    map.remove("comment");
    // The others are for programs that are not built here.
    let kills = map.get("default_action").is_some_and(|action| action == "kill_process");
    map.remove("extends");
    let rules = map.get_mut("filter").and_then(Value::as_array_mut).ok_or("no filter")?;
    *rules = all_rules(path)?;
    if kills {
        rules.extend_from_slice(additions);
    }
    rules.retain(|rule| rule.get("arch").is_none_or(|only| only == arch));
    for rule in rules {
        rule.as_object_mut().ok_or("rule is not an object")?.remove("arch");
    }
    let coded = serde_json::to_vec(&json!({ "role": policy }))?;
    let mut programs = compile_from_json(coded.as_slice(), TargetArch::try_from(arch)?)?;
    let mut program = programs.remove("role").ok_or("no program")?;
    let refused = policy.get("filter_action").and_then(|action| action.get("errno")).and_then(Value::as_u64);
    if let (Some(errno), "x86_64") = (refused, arch) {
        refuse_x32(&mut program, u32::try_from(errno)?)?;
    }
    Ok(program)
}

/// Puts a refusal of x32 into a list of what is refused. Its calls are those of the machine under other numbers, and
/// would not be found in the list; a list of what is allowed does not have them.
fn refuse_x32(program: &mut BpfProgram, errno: u32) -> Result<(), Box<dyn Error>> {
    const LOAD: u16 = 0x20;
    const JUMP_IF_AT_LEAST: u16 = 0x35;
    const RETURN: u16 = 0x06;
    const X32: u32 = 0x4000_0000;
    const FAIL: u32 = 0x0005_0000;
    let number = program.iter().position(|i| (i.code, i.k) == (LOAD, 0)).ok_or("no number is loaded")?;
    let at = number.checked_add(1).ok_or("too long")?;
    let refusal = [
        sock_filter { code: JUMP_IF_AT_LEAST, jt: 0, jf: 1, k: X32 },
        sock_filter { code: RETURN, jt: 0, jf: 0, k: FAIL | errno },
    ];
    program.splice(at..at, refusal);
    Ok(())
}

/// The rules of a list, after those of the lists that it extends, each once.
fn all_rules(path: &Path) -> Result<Vec<Value>, Box<dyn Error>> {
    let list: Value = serde_json::from_slice(&fs::read(path)?)?;
    let mut rules = Vec::new();
    for base in list.get("extends").and_then(Value::as_array).into_iter().flatten() {
        let name = base.as_str().ok_or("extends what is no name")?;
        rules.extend(all_rules(&path.with_file_name(name).with_extension("json"))?);
    }
    rules.extend_from_slice(list.get("filter").and_then(Value::as_array).ok_or("no filter")?);
    let mut all = Vec::with_capacity(rules.len());
    for rule in rules {
        if !all.contains(&rule) {
            all.push(rule);
        }
    }
    Ok(all)
}

fn source(program: &BpfProgram) -> Result<String, std::fmt::Error> {
    let mut text = String::from("&[\n");
    for i in program {
        writeln!(text, "    ({}, {}, {}, {}),", i.code, i.jt, i.jf, i.k)?;
    }
    text.push_str("]\n");
    Ok(text)
}
