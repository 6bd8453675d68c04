//! A role's list of system calls (`policy/seccomp/*.json`), read as a person reads it.
//!
//! What the kernel does is held against this, not against the program that the build makes of the same file.

use std::collections::BTreeMap;
use std::path::Path;

use policy::SANITIZED;
use seccompiler::compile_from_json;
use serde_json::{Value, json};

/// The number that stands in a list for the packet socket.
const PACKET: u64 = 0x7fff_fd01;

/// What a rule asks of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    Equal,
    NotEqual,
    AtMost,
    Masked(u64),
}

/// What a rule says of one argument.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    index: usize,
    /// Only these bits of the argument are looked at.
    bits: u64,
    test: Test,
    value: u64,
}

impl Condition {
    fn read(value: &Value, packet: Option<u64>) -> Self {
        let number = |value: &Value| value.as_u64().unwrap();
        let bits = match value["type"].as_str().unwrap() {
            "dword" => u64::from(u32::MAX),
            "qword" => u64::MAX,
            other => panic!("{other} is no type of argument"),
        };
        let test = match value["op"].as_str() {
            Some("eq") => Test::Equal,
            Some("ne") => Test::NotEqual,
            Some("le") => Test::AtMost,
            Some(other) => panic!("{other} is not known here"),
            None => Test::Masked(number(&value["op"]["masked_eq"])),
        };
        let index = usize::try_from(number(&value["index"])).unwrap();
        let value = match number(&value["val"]) {
            PACKET => packet.expect("a packet socket"),
            value => value,
        };
        Self { index, bits, test, value }
    }

    fn holds(&self, arguments: [u64; 6]) -> bool {
        let argument = arguments[self.index] & self.bits;
        match self.test {
            Test::Equal => argument == self.value,
            Test::NotEqual => argument != self.value,
            Test::AtMost => argument <= self.value,
            Test::Masked(mask) => argument & mask == self.value & mask,
        }
    }

    /// An argument that it lets through.
    fn allowed(&self) -> u64 {
        match self.test {
            Test::Equal | Test::AtMost | Test::Masked(_) => self.value,
            Test::NotEqual => u64::MAX,
        }
    }

    /// Arguments beside the one it lets through: one off, and one bit off in each bit that it looks at.
    fn mutated(&self) -> Vec<u64> {
        let bits = (0..u64::BITS).map(|bit| 1 << bit).filter(|bit| bit & self.bits != 0);
        match self.test {
            Test::Equal => {
                let near = [self.value.wrapping_add(1), self.value.wrapping_sub(1), u64::MAX];
                let flipped = bits.filter(|bit| bit.ilog2() % 8 == 7 || bit.ilog2() < 6);
                near.into_iter().chain(flipped.map(|bit| self.value ^ bit)).collect()
            }
            Test::NotEqual => vec![self.value],
            Test::AtMost => vec![self.value + 1, 1 << 31, u64::MAX],
            Test::Masked(mask) => {
                let flipped = bits.filter(|bit| bit & mask != 0).chain([mask]);
                flipped.map(|bits| self.value ^ bits).collect()
            }
        }
    }
}

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The call's name.
    pub name: String,
    /// Its number on this machine.
    pub number: u64,
    /// Why it is there.
    pub comment: String,
    conditions: Vec<Condition>,
}

impl Rule {
    fn read(value: &Value, packet: Option<u64>) -> Self {
        let text = |key: &str| value[key].as_str().unwrap().to_owned();
        let conditions = value.get("args").and_then(Value::as_array).into_iter().flatten();
        let name = text("syscall");
        Self {
            number: number_of(&name),
            name,
            comment: text("comment"),
            conditions: conditions.map(|condition| Condition::read(condition, packet)).collect(),
        }
    }

    /// Whether it is about this call.
    #[must_use]
    pub fn covers(&self, number: u64, arguments: [u64; 6]) -> bool {
        self.number == number && self.conditions.iter().all(|condition| condition.holds(arguments))
    }

    /// Arguments that it covers. Where it says nothing they are such that no call can do anything with them.
    #[must_use]
    pub fn covered(&self) -> [u64; 6] {
        let mut arguments = [u64::MAX; 6];
        for condition in &self.conditions {
            arguments[condition.index] = condition.allowed();
        }
        arguments
    }

    /// For each argument that it looks at, arguments that only that one keeps it from covering.
    #[must_use]
    pub fn mutated(&self) -> Vec<Vec<[u64; 6]>> {
        let variants = |condition: &Condition| {
            let with = |value| {
                let mut arguments = self.covered();
                arguments[condition.index] = value;
                arguments
            };
            let all = condition.mutated().into_iter().map(with);
            all.filter(|arguments| !self.covers(self.number, *arguments)).collect()
        };
        self.conditions.iter().map(variants).collect()
    }
}

/// A role's list.
#[derive(Debug)]
pub struct List {
    /// Its rules for this machine.
    pub rules: Vec<Rule>,
}

impl List {
    /// Reads `policy/seccomp/NAME.json`, and before it the lists that it extends; in a build with the sanitizer with what
    /// that adds.
    #[must_use]
    pub fn read(name: &str, packet: Option<u64>) -> Self {
        let file = json_of(&format!("seccomp/{name}"));
        let mut list = Self::extended(&file, packet);
        if SANITIZED && file["default_action"] == "kill_process" {
            list.rules.extend(Self::sanitizers().rules);
        }
        list
    }

    /// The same without what it extends.
    #[must_use]
    pub fn read_own(name: &str) -> Self {
        Self::rules_of(&json_of(&format!("seccomp/{name}")), None)
    }

    /// What a build with the sanitizer adds to each list whose default is to kill: `policy/sanitizer/address.json`.
    #[must_use]
    pub fn sanitizers() -> Self {
        Self::rules_of(&json_of("sanitizer/address"), None)
    }

    fn extended(list: &Value, packet: Option<u64>) -> Self {
        let bases = list["extends"].as_array().into_iter().flatten();
        let bases = bases.map(|base| json_of(&format!("seccomp/{}", base.as_str().unwrap())));
        let mut rules: Vec<Rule> = Vec::new();
        for rule in bases.flat_map(|base| Self::extended(&base, packet).rules) {
            if !rules.contains(&rule) {
                rules.push(rule);
            }
        }
        rules.extend(Self::rules_of(list, packet).rules);
        Self { rules }
    }

    fn rules_of(list: &Value, packet: Option<u64>) -> Self {
        let here = |rule: &&Value| rule.get("arch").is_none_or(|arch| arch == std::env::consts::ARCH);
        let rules = list["filter"].as_array().unwrap().iter().filter(here);
        Self { rules: rules.map(|rule| Rule::read(rule, packet)).collect() }
    }

    /// Whether one of its rules is about this call.
    #[must_use]
    pub fn covers(&self, number: u64, arguments: [u64; 6]) -> bool {
        self.rules.iter().any(|rule| rule.covers(number, arguments))
    }

    /// The rules for this call.
    pub fn of(&self, number: u64) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(move |rule| rule.number == number)
    }

    /// Every call that it names, by number.
    #[must_use]
    pub fn names(&self) -> BTreeMap<u64, &str> {
        self.rules.iter().map(|rule| (rule.number, rule.name.as_str())).collect()
    }
}

/// A file of `policy`.
fn json_of(name: &str) -> Value {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policy");
    let text = std::fs::read(directory.join(name).with_extension("json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// The number of a call on this machine, by the table of the compiler of these lists: it is what the
/// program for that call alone compares with.
#[must_use]
pub fn number_of(name: &str) -> u64 {
    const COMPARE: u16 = 0x15;
    let rule = json!({"default_action": "trap", "filter_action": "allow", "filter": [{"syscall": name}]});
    let text = serde_json::to_vec(&json!({ "one": rule })).unwrap();
    let programs = compile_from_json(text.as_slice(), std::env::consts::ARCH.try_into().unwrap());
    let programs = programs.unwrap_or_else(|e| panic!("{name}: {e}"));
    // The first comparison is with the architecture.
    let compared = programs["one"].iter().filter(|instruction| instruction.code == COMPARE).nth(1);
    u64::from(compared.unwrap().k)
}
