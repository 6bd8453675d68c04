//! The head of a message: what divides its body, how that is coded, and what kind of thing it is.

use httparse::{EMPTY_HEADER, Header, ParserConfig, Request, Response, Status};
use memchr::{memchr, memchr_iter};
use proto::body::Extension;

use super::chunked::Chunked;
use super::framing::Framing;
use super::kind;

/// Codings that may lie one within the other.
const MAX_CODINGS: usize = 4;

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Its answer has no body.
    Head,
    /// If it is granted, what follows is not HTTP.
    Connect,
    /// Any other.
    Other,
}

/// A coding of content that can be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// gzip.
    Gzip,
    /// zlib, or deflate without its header.
    Deflate,
    /// Brotli.
    Brotli,
    /// Zstandard.
    Zstd,
}

/// What a head says.
#[derive(Debug)]
pub struct Head {
    /// Of a response.
    pub status: u16,
    /// Of a request.
    pub method: Method,
    /// Whether the connection is to be used for something else.
    pub upgrade: bool,
    /// What divides the body.
    pub body: Body,
    /// Those that can be undone, in the order in which they were applied: the last ones, up to one that is not
    /// known.
    pub codings: Vec<Coding>,
    /// For the name of the body's file.
    pub extension: Extension,
}

/// What divides the body, as far as the fields say.
#[derive(Debug)]
pub enum Body {
    /// This.
    Framed(Framing),
    /// Nothing was said: what that means depends on the kind of message.
    Unsaid,
    /// They contradict themselves.
    Broken,
}

impl Body {
    /// What divides the body of a request: there is none unless it is said. None: it cannot be known.
    pub fn of_request(self) -> Option<Framing> {
        match self {
            Self::Framed(Framing::UntilClose) | Self::Broken => None,
            Self::Framed(framing) => Some(framing),
            Self::Unsaid => Some(Framing::Length(0)),
        }
    }

    /// What divides the body of a response that has one. None: it cannot be known.
    pub fn of_response(self) -> Option<Framing> {
        match self {
            Self::Framed(framing) => Some(framing),
            Self::Unsaid => Some(Framing::UntilClose),
            Self::Broken => None,
        }
    }
}

/// Reads the head of a response. It may be none.
pub fn response(head: &[u8]) -> Option<Head> {
    let (_, fields) = head.split_at_checked(memchr(b'\n', head)?.saturating_add(1))?;
    if !fields.split(|byte| *byte == b'\n').all(is_field) {
        return None;
    }
    // What tcpflow reads on with, httparse would not.
    let mut head: Vec<u8> = head.iter().map(|byte| if *byte == 0 { b'?' } else { *byte }).collect();
    // Any 1.x is to be read as 1.1 (RFC 9110, 2.5).
    if let Some(minor) = head.get_mut(7) {
        *minor = b'1';
    }
    let mut fields = room(&head);
    let mut response = Response::new(&mut fields);
    let parsed = ParserConfig::default()
        .allow_multiple_spaces_in_response_status_delimiters(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_space_before_first_header_name(true)
        .ignore_invalid_headers_in_responses(true)
        .parse_response(&mut response, &head);
    match parsed {
        Ok(Status::Complete(_)) => {
            Some(Head { status: response.code?, ..said(response.headers, Method::Other) })
        }
        Ok(Status::Partial) | Err(_) => None,
    }
}

/// Reads the head of a request. It may be none.
pub fn request(head: &[u8]) -> Option<Head> {
    let mut fields = room(head);
    let mut request = Request::new(&mut fields);
    let parsed = ParserConfig::default()
        .allow_multiple_spaces_in_request_line_delimiters(true)
        .ignore_invalid_headers_in_requests(true)
        .parse_request(&mut request, head);
    let method = match request.method {
        Some("HEAD") => Method::Head,
        Some("CONNECT") => Method::Connect,
        Some(_) | None => Method::Other,
    };
    match parsed {
        Ok(Status::Complete(_)) => Some(said(request.headers, method)),
        Ok(Status::Partial) | Err(_) => None,
    }
}

/// Whether this may be the line of a field, the continuation of one, or an empty line: otherwise all of the
/// head is worth nothing, as with tcpflow. What is in a name does not matter, so that it is just ignored.
fn is_field(line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~' | 0x80..);
    match (line, memchr(b':', line)) {
        ([] | [b' ' | b'\t', ..], _) => true,
        (_, Some(colon @ 1..)) => {
            let (name, value) = line.split_at_checked(colon).unwrap_or_default();
            // Whatever it is, the first byte of a value is taken.
            name.iter().all(|byte| (b' '..=b'~').contains(byte)) && value.iter().skip(2).all(text)
        }
        (_, _) => false,
    }
}

/// Room for as many fields as there are lines.
fn room(head: &[u8]) -> Vec<Header<'_>> {
    vec![EMPTY_HEADER; memchr_iter(b'\n', head).count()]
}

fn said(fields: &[Header<'_>], method: Method) -> Head {
    let mut lengths = Vec::new();
    let mut transfer = Vec::new();
    let mut content = Vec::new();
    let mut upgrade = false;
    let mut extension = Extension::default();
    for Header { name, value } in fields {
        let value = String::from_utf8_lossy(value);
        if name.eq_ignore_ascii_case("content-length") {
            lengths.extend(tokens(&value));
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            transfer.extend(tokens(&value));
        } else if name.eq_ignore_ascii_case("content-encoding") {
            content.extend(tokens(&value));
        } else if name.eq_ignore_ascii_case("content-type") {
            extension = kind::extension(&value);
        } else if name.eq_ignore_ascii_case("upgrade") {
            upgrade = true;
        }
    }
    let chunked = transfer.last().is_some_and(|coding| coding == "chunked");
    let body = match (chunked, transfer.is_empty()) {
        (true, _) => Body::Framed(Framing::Chunked(Chunked::default())),
        (false, false) => Body::Framed(Framing::UntilClose),
        (false, true) => length(&lengths),
    };
    transfer.retain(|coding| coding != "chunked");
    Head { status: 0, method, upgrade, body, codings: codings(content.iter().chain(&transfer)), extension }
}

/// The elements of a list, in small letters.
fn tokens(value: &str) -> impl Iterator<Item = String> {
    value.split(',').map(|token| token.trim().to_ascii_lowercase())
}

/// A length that is said several times has to be the same each time (RFC 9112, 6.3).
fn length(lengths: &[String]) -> Body {
    let Some((first, others)) = lengths.split_first() else { return Body::Unsaid };
    let digits = first.bytes().all(|byte| byte.is_ascii_digit());
    match first.parse() {
        Ok(length) if digits && others.iter().all(|other| other == first) => {
            Body::Framed(Framing::Length(length))
        }
        Ok(_) | Err(_) => Body::Broken,
    }
}

/// What can be undone: the outermost codings, up to one that is not known.
fn codings<'a>(names: impl DoubleEndedIterator<Item = &'a String>) -> Vec<Coding> {
    let known = |name: &String| match name.as_str() {
        "gzip" | "x-gzip" => Some(Coding::Gzip),
        "deflate" => Some(Coding::Deflate),
        "br" => Some(Coding::Brotli),
        "zstd" => Some(Coding::Zstd),
        _ => None,
    };
    let names = names.filter(|name| !matches!(name.as_str(), "" | "identity"));
    let mut codings: Vec<Coding> = names.rev().map_while(known).take(MAX_CODINGS).collect();
    codings.reverse();
    codings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &str) -> Head {
        response(format!("HTTP/1.1 200 OK\r\n{fields}\r\n").as_bytes()).unwrap()
    }

    fn framing(fields: &str) -> String {
        match of(fields).body {
            Body::Framed(Framing::Length(length)) => length.to_string(),
            Body::Framed(Framing::Chunked(_)) => "chunked".into(),
            Body::Framed(Framing::UntilClose) => "close".into(),
            Body::Unsaid => "unsaid".into(),
            Body::Broken => "broken".into(),
        }
    }

    #[test]
    fn what_divides_the_body() {
        for (fields, expected) in [
            ("", "unsaid"),
            ("Content-Length: 5\r\n", "5"),
            ("content-length:5 \r\n", "5"),
            ("Content-Length: 5\r\nContent-Length: 5\r\n", "5"),
            ("Content-Length: 5, 5\r\n", "5"),
            ("Content-Length: 5\r\nContent-Length: 6\r\n", "broken"),
            ("Content-Length: +5\r\n", "broken"),
            ("Content-Length: -1\r\n", "broken"),
            ("Content-Length: 0x10\r\n", "broken"),
            ("Content-Length: 99999999999999999999999\r\n", "broken"),
            ("Content-Length: \r\n", "broken"),
            ("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "chunked"),
            ("Transfer-Encoding: gzip, Chunked\r\n", "chunked"),
            ("Transfer-Encoding: chunked, gzip\r\nContent-Length: 3\r\n", "close"),
            ("Transfer-Encoding:\r\n chunked\r\n", "chunked"),
        ] {
            assert_eq!(framing(fields), expected, "{fields:?}");
        }
    }

    #[test]
    fn codings_in_the_order_in_which_they_were_applied() {
        let head = of(
            "Content-Encoding: deflate, br\r\nContent-Encoding: GZIP\r\nTransfer-Encoding: zstd, chunked\r\n",
        );
        assert_eq!(head.codings, [Coding::Deflate, Coding::Brotli, Coding::Gzip, Coding::Zstd]);
        assert_eq!(of("Content-Encoding: identity\r\n").codings, []);
        assert_eq!(of("Content-Encoding: gzip, secret\r\n").codings, []);
        assert_eq!(of("Content-Encoding: secret, gzip\r\n").codings, [Coding::Gzip]);
        assert_eq!(of(&format!("Content-Encoding: {}\r\n", "gzip,".repeat(99))).codings.len(), MAX_CODINGS);
    }

    #[test]
    fn heads_that_are_out_of_shape() {
        for good in [
            "HTTP/1.0 200 OK\n\n",
            "HTTP/1.9 200\r\n\r\n",
            "HTTP/1.1  404  Not Found\r\nA B: c\r\nNul:\0x\r\nEmpty:\r\n\r\n",
            "HTTP/1.1 200 \u{e4}\r\nA: \u{e4}\r\n\r\n",
        ] {
            assert!(response(good.as_bytes()).is_some(), "{good:?}");
        }
        for bad in [
            "HTTP/1.1 2000 OK\r\n\r\n",
            "HTTP/1.1 abc\r\n\r\n",
            "HTTP/1.\r\n\r\n",
            "HTTP/1.1 200 OK\r\n",
            "",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            "HTTP/1.1 200 OK\r\n: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA\x0b: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nA: x\x0b\r\n\r\n",
        ] {
            assert!(response(bad.as_bytes()).is_none(), "{bad:?}");
        }
        assert_eq!(request(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap().method, Method::Head);
        assert_eq!(request(b"CONNECT a:443 HTTP/1.1\r\n\r\n").unwrap().method, Method::Connect);
        assert!(request(b"\x16\x03\x01\r\n\r\n").is_none());
    }
}
