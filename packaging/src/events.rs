//! What the lines of `--events` have, as their schema says it.

use std::io::{Result, Write};

use serde_json::Value;

use crate::manual::write_rows;

/// The schema, which is also installed.
const SCHEMA: &str = include_str!("../events.schema.json");

/// Writes a subsection of what all lines have, one of what those of flows have, and one for each kind of line.
pub fn write(to: &mut dyn Write) -> Result<()> {
    let schema: Value = serde_json::from_str(SCHEMA)?;
    let definition = |name: &str| schema.pointer(&format!("/$defs/{name}"));
    writeln!(to, ".SS Every line")?;
    write_fields(definition("line"), to)?;
    writeln!(to, ".SS Lines of a flow")?;
    write_fields(definition("flow"), to)?;
    let kinds = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    for name in kinds.filter_map(|kind| kind.get("$ref")?.as_str()?.strip_prefix("#/$defs/")) {
        writeln!(to, ".SS {name}")?;
        writeln!(to, "{}", description(definition(name)).unwrap_or_default())?;
        write_fields(definition(name), to)?;
    }
    Ok(())
}

/// The fields that it has to have, in their order, but for those whose one value is the kind of line.
fn write_fields(definition: Option<&Value>, to: &mut dyn Write) -> Result<()> {
    let names = definition.and_then(|kind| kind.get("required")?.as_array()).into_iter().flatten();
    let rows = names.filter_map(|name| {
        let name = name.as_str()?;
        let field = definition?.get("properties")?.get(name);
        Some((name.to_owned(), description(field)?.to_owned()))
    });
    write_rows(rows, to)
}

fn description(of: Option<&Value>) -> Option<&str> {
    of?.get("description")?.as_str()
}
