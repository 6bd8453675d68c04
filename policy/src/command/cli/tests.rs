//! What a command line means, in the order and with the precedence that tcpflow 1.6.1 has.

use proto::plan::{ConsoleFormat, Order};

use super::*;

fn parsed(line: &[&str]) -> Result<Request, Error> {
    parsed_with(line, |path| panic!("{}", path.display()))
}

fn parsed_with(line: &[&str], read: impl Fn(&Path) -> Result<Vec<u8>, Error>) -> Result<Request, Error> {
    parse(std::iter::once("tcpflow").chain(line.iter().copied()).map(OsString::from), read)
}

fn run(line: &[&str]) -> Settings {
    match parsed(line) {
        Ok(Request::Run(settings)) => *settings,
        other => panic!("{line:?}: {other:?}"),
    }
}

fn refused(line: &[&str]) -> (u8, String) {
    match parsed(line) {
        Err(error) => (error.status(), error.line("tcpflow").unwrap()),
        other => panic!("{line:?}: {other:?}"),
    }
}

#[test]
fn without_options_it_is_a_capture_with_tcpflows_defaults() {
    let settings = run(&[]);
    assert!(matches!(settings.input, Input::Live { interface: None, promiscuous: true, .. }));
    assert_eq!((settings.max_skip, settings.max_open_files, settings.debug), (16_777_216, 900, 1));
    assert_eq!(settings.template, "%A.%a-%B.%b%V%v%C%c");
    assert_eq!(settings.output, PathBuf::from("."));
    assert_eq!((settings.max_bytes, settings.filter, settings.console), (None, None, None));
    assert!(settings.store && settings.report_enabled && settings.demultiplex);
}

#[test]
fn letters_and_templates_apply_in_their_order() {
    for (line, template) in [
        (&["-Fkm"][..], "%M000-%M999/%M%K/%K/%A.%a-%B.%b%V%v%C%c"),
        (&["-Fm", "-Fk"], "%K/%M000-%M999/%M%K/%A.%a-%B.%b%V%v%C%c"),
        (&["-FtT"], "%T%tT%A.%a-%B.%b%V%v%C%c"),
        (&["-T", "x%A", "-Fk"], "%K/x%A"),
        (&["-Fk", "-T", "x%A"], "x%A"),
        (&["-Tx%A", "-Fk", "-Ty%A", "-Ft"], "%tTy%A"),
        (&["-Fc"], "%A.%a-%B.%b%V%v%C%c"),
        (&["-F", ""], "%A.%a-%B.%b%V%v%C%c"),
    ] {
        assert_eq!(run(line).template, template, "{line:?}");
    }
}

#[test]
fn hex_goes_before_json_and_json_before_binary_and_binary_before_strip() {
    for (line, format) in [
        (&["-c"][..], ConsoleFormat::Text),
        (&["-c", "-s"], ConsoleFormat::Text),
        (&["-cBs"], ConsoleFormat::Binary),
        (&["-csB"], ConsoleFormat::Binary),
        (&["-cJB"], ConsoleFormat::Json),
        (&["-cDJB"], ConsoleFormat::Hex),
        (&["-BJDC"], ConsoleFormat::Hex),
    ] {
        assert_eq!(run(line).console.map(|console| console.format), Some(format), "{line:?}");
    }
    for line in [["-B"], ["-D"], ["-J"], ["-g"], ["-0"], ["-s"]] {
        let settings = run(&line);
        assert!(settings.console.is_none() && settings.store, "{line:?} does nothing without -c or -C");
    }
    assert_eq!(run(&["-c", "-C"]).console, run(&["-C", "-c"]).console);
    assert!(!run(&["-c", "-C"]).console.unwrap().names);
}

#[test]
fn the_console_makes_no_file_but_the_report_that_is_asked_for() {
    let settings = run(&["-c", "-I"]);
    assert!(!settings.store && !settings.index && !settings.report_enabled);
    assert!(run(&["-c", "-X", "x"]).report_enabled);
    let packets = run(&["-c", "-K", "-I", "-FX"]);
    assert!(packets.console.is_none() && packets.packets && packets.report_enabled && !packets.index);
    assert_eq!(run(&["-c", "-S", "console=arrival"]).console_order, Order::Arrival);
}

#[test]
fn of_an_option_that_is_repeated_the_last_one_counts() {
    let settings = run(&["-o", "a", "-b3", "-oc", "-b", "5", "-Xx", "-Xy", "-m1", "-m2"]);
    assert_eq!((settings.output, settings.max_bytes), (PathBuf::from("c"), Some(5)));
    assert_eq!((settings.report, settings.max_skip), (Some(PathBuf::from("y")), 2));
    assert_eq!(run(&["-v", "-d0"]).debug, 0);
    assert_eq!(run(&["-d0", "-v"]).debug, 10);
    assert_eq!(run(&["-d", "3", "-d", "4"]).debug, 4);
    assert_eq!(run(&["-S", "tdelta=-5", "-Stdelta=7"]).time_delta, 7);
    assert!(run(&["-c", "-c", "-q", "-q", "-p", "-p"]).quiet);
}

#[test]
fn scanners_are_turned_on_and_off_in_order() {
    assert!(!run(&["-x", "tcpdemux"]).demultiplex);
    assert!(!run(&["-a", "-x", "all"]).demultiplex);
    assert!(!run(&["-E", "tcpdemux", "-E", "md5"]).demultiplex);
    assert!(run(&["-E", "md5", "-e", "tcpdemux"]).demultiplex);
    assert_eq!(run(&["-E", "md5"]).digests.len(), 1);
    assert_eq!(run(&["-FM", "-S", "hash=sha1,md5"]).digests.len(), 2);
    assert!(run(&["-E", "md5", "-FX"]).digests.len() == 1, "only -e and -a are post-processing");
    for line in [["-e", "md5", "-FX"], ["-FX", "-e", "tcpdemux"], ["-FX", "-a", "-q"]] {
        assert_eq!(refused(&line), (1, "ERROR: post_processing currently requires storing output.".into()));
    }
    assert_eq!(refused(&["-x", "nosuch"]), (1, "Invalid scanner name 'nosuch'".into()));
}

#[test]
fn the_old_letter_is_told_and_takes_what_follows() {
    let settings = run(&["-A", "-FX", "-r", "x"]);
    assert!(settings.store && settings.digests.is_empty());
    assert_eq!(settings.remarks, ["-AH has been deprecated. Just use -a"]);
    assert!(run(&["-P"]).remarks.is_empty());
}

#[test]
fn operands_are_an_expression_or_savefiles() {
    assert_eq!(run(&["port", "-c", "80", "--", "-x"]).filter.as_deref(), Some("port 80 -x"));
    let settings = run(&["-l", "a", "-", "-R", "z", "-r", "b", "--", "-c"]);
    let Input::Savefiles(files) = settings.input else { panic!("{:?}", settings.input) };
    let paths: Vec<&[u8]> = files.iter().map(|file| file.path.as_slice()).collect();
    assert_eq!(paths, [&b"b"[..], b"a", b"-", b"-c", b"z"]);
    assert!(files.iter().all(|file| file.completing == (file.path == b"z")));
    assert_eq!(settings.filter, None);
}

#[test]
fn what_tells_about_the_program_goes_before_all_else() {
    for (line, words) in [
        (&["-h"][..], "Usage: tcpflow"),
        (&["-hq", "-r", "x"], "Usage: tcpflow"),
        (&["-h", "-h"], "Parameters for -S"),
        (&["-hH"], "tcpdemux (on; -x disables it)"),
        (&["-HVh"], "TCPFLOW "),
    ] {
        let shown = parsed(line);
        assert!(matches!(&shown, Ok(Request::Show(text)) if text.contains(words)), "{line:?}: {shown:?}");
    }
}

#[test]
fn reports_are_enabled_by_tcpflows_words() {
    for (value, enabled) in [
        ("YES", true),
        ("y", true),
        ("True", true),
        ("1", true),
        ("NO", false),
        ("0", false),
        ("on", false),
        ("2", false),
    ] {
        assert_eq!(run(&["-S", &format!("enable_report={value}")]).report_enabled, enabled, "{value}");
    }
}

#[test]
fn a_value_that_cannot_be_is_told_with_its_option() {
    for line in [["-b", "junk"], ["-m", "-1"], ["-f", "0"], ["-d", "1x"], ["-b", "18446744073709551616"]] {
        let (status, words) = refused(&line);
        assert_eq!(status, 2, "{words}");
        assert!(
            words.contains(line[0]) && words.contains(line[1]) && words.contains("whole number"),
            "{words}"
        );
    }
    let (status, words) = refused(&["--sandbox=x"]);
    assert!(status == 2 && words.contains("--sandbox MODE: 'x': not one of require"), "{words}");
    for letter in ["-r", "-R", "-i", "-o", "-X", "-w", "-L", "-z"] {
        assert_eq!(refused(&[letter, ""]), (1, format!("tcpflow: {letter}: empty name")));
    }
}

#[test]
fn a_configuration_stands_before_the_command_line() {
    let files = |path: &Path| -> Result<Vec<u8>, Error> {
        Ok(match path.to_str() {
            Some("a") => b"max-bytes 1\ninterface eth1\nformat k\nset tcp_timeout=1\nfilter port 1".to_vec(),
            Some("b") => b"max-bytes 2\nno-promiscuous\nformat m\nset tcp_timeout=2\nenable md5".to_vec(),
            Some("empty") => Vec::new(),
            other => panic!("{other:?}"),
        })
    };
    let run = |line: &[&str]| match parsed_with(line, files) {
        Ok(Request::Run(settings)) => *settings,
        other => panic!("{line:?}: {other:?}"),
    };
    let settings = run(&["--config", "a", "--config=b"]);
    assert_eq!((settings.max_bytes, settings.tcp_timeout), (Some(2), 2), "the last one counts");
    assert_eq!(settings.filter.as_deref(), Some("port 1"));
    assert!(settings.template.starts_with("%M000-%M999/%M%K/%K/"), "in order: {}", settings.template);
    assert_eq!(settings.digests.len(), 1);
    assert!(
        matches!(settings.input, Input::Live { interface: Some(name), promiscuous: false, .. } if name == "eth1")
    );
    let settings = run(&["-b3", "-i", "eth2", "port", "2", "-S", "tcp_timeout=3", "--config", "a", "-FX"]);
    assert_eq!((settings.max_bytes, settings.tcp_timeout), (Some(3), 3), "wherever it is named");
    assert_eq!(settings.filter.as_deref(), Some("port 2"));
    assert!(!settings.store);
    assert!(matches!(settings.input, Input::Live { interface: Some(name), .. } if name == "eth2"));
    let settings = run(&["--config", "empty", "-l", "x"]);
    assert!(matches!(settings.input, Input::Savefiles(_)) && settings.filter.is_none());
    let settings = run(&["--config", "a", "-l", "x"]);
    assert!(matches!(settings.input, Input::Savefiles(_)));
    assert_eq!(settings.filter.as_deref(), Some("port 1"), "operands that are files are no filter");
    for line in [&["--config", "gone", "-V"][..], &["--config", "gone", "-h"]] {
        assert!(matches!(parsed_with(line, files), Ok(Request::Show(_))), "{line:?}: no file is read");
    }
}

#[test]
fn several_workers_share_an_interface_and_what_can_be_shared() {
    assert_eq!(run(&["-i", "eth0"]).workers, 1);
    for line in [&["-i", "eth0"][..], &[], &["--rotate", "1h"], &["-a", "-x", "netviz", "-x", "wifiviz"]] {
        assert_eq!(run(&[line, &["-S", "workers=16"]].concat()).workers, 16, "{line:?}");
    }
    for (line, words) in [
        (&["-r", "x.pcap"][..], "-S workers=2: savefiles are read in their order, by one;"),
        (&["-R", "x.pcap"], "-S workers=2: savefiles"),
        (&["-r", "-"], "-S workers=2: savefiles"),
        (&["-l", "x.pcap"], "-S workers=2: savefiles"),
        (&["-a"], "-S workers=2: netviz counts the traffic as a whole"),
        (&["-e", "netviz"], "-S workers=2: netviz"),
        (&["-e", "wifiviz"], "-S workers=2: wifiviz tells of networks"),
        (&["--rotate", "1h", "--rotate", "1G"], "-S workers=2: --rotate by size takes one"),
    ] {
        let (status, text) = refused(&[line, &["-S", "workers=2"]].concat());
        assert!(status == 2 && text.contains(words), "{line:?}: {text}");
        assert_eq!(run(&[line, &["-S", "workers=1"]].concat()).workers, 1);
    }
    for number in ["0", "17", "two"] {
        let (status, text) = refused(&["-S", &format!("workers={number}")]);
        assert!(status != 0 && text.contains("not a whole number from 1 to 16"), "{text}");
    }
}

#[test]
fn an_interface_that_is_waited_for_has_a_name() {
    let waits = |line: &[&str]| match run(line).input {
        Input::Live { wait, .. } => wait,
        Input::Savefiles(_) => None,
    };
    assert_eq!(waits(&["-i", "eth0"]), None);
    assert_eq!(waits(&["-i", "eth0", "--wait-interface", "0"]), Some(Wait::Seconds(0)));
    assert_eq!(waits(&["--wait-interface=forever", "-i", "eth0"]), Some(Wait::Forever));
    for (line, words) in [
        (&["--wait-interface", "1"][..], "tcpflow: --wait-interface: which? -i says so\nUsage: "),
        (
            &["--wait-interface", "ever", "-ilo"],
            "'ever': not a whole number from 0 to 4294967295, or forever\n",
        ),
    ] {
        let (status, text) = refused(line);
        assert!(status == 2 && text.contains(words), "{text}");
    }
}

#[test]
fn of_times_and_of_sizes_the_last_counts() {
    let rotation =
        run(&["--rotate", "1G", "--rotate", "1h", "--rotate", "2K", "--rotate=1d"]).rotation.unwrap();
    assert_eq!((rotation.every, rotation.size), (Some(86_400), Some(2048)));
    assert!(run(&[]).rotation.is_none());
}
