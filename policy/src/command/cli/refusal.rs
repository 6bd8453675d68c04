//! What is wrong with a value, in the words of the command line and not in those of its parser.

use clap::ArgMatches;
use clap::error::{ContextKind, ContextValue};

use super::super::error::Error;
use super::options;

/// Refuses names that are empty: no file, directory or semaphore has one, and tcpflow takes some of them for
/// an option that is not there.
pub fn refuse_empty(matches: &ArgMatches) -> Result<(), Error> {
    for id in
        ["read", "finish", "interface", "output", "report", "write", "events", "metrics", "lock", "chroot"]
    {
        let values = matches.get_raw(id).into_iter().flatten();
        if values.into_iter().any(|value| value.is_empty()) {
            let definition = options::definition();
            let letter = definition.get_arguments().find(|arg| arg.get_id() == id);
            let letter = letter.and_then(clap::Arg::get_short);
            let option = letter.map_or_else(|| format!("--{id}"), |letter| format!("-{letter}"));
            return Err(Error::Told(format!("{option}: empty name")));
        }
    }
    Ok(())
}

/// What clap found wrong with a value, by the option's name and without advice.
pub fn refusal(error: &clap::Error) -> String {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        Some(_) | None => None,
    };
    let option = text(ContextKind::InvalidArg).unwrap_or_default().replace(['<', '>'], "");
    let name = option.split([' ', '=']).next().and_then(|name| name.strip_prefix("--")).unwrap_or_default();
    let definition = options::definition();
    let letter = definition.get_arguments().find(|arg| arg.get_long() == Some(name));
    let letter = letter.and_then(|arg| arg.get_short()).map(|c| format!("-{c}, ")).unwrap_or_default();
    let value = text(ContextKind::InvalidValue).unwrap_or_default();
    let why = match (std::error::Error::source(error), error.get(ContextKind::ValidValue)) {
        (Some(why), _) => why.to_string(),
        (None, Some(ContextValue::Strings(values))) => format!("not one of {}", values.join(", ")),
        (None, _) => error.kind().to_string(),
    };
    format!("{letter}{option}: '{value}': {why}")
}
