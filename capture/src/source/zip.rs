//! zip archives (PKWARE's APPNOTE 6.3) as they come, from their first member on; of the files in one, the first.
//!
//! A capture is read once, forward, and perhaps from a pipe, so that the directory at the archive's end is of
//! no use. The crates that read archives forward know no member whose length follows it, which is what `zip -`
//! writes.

use flate2::{Crc, Decompress};

use super::decoder::{Decoder, Fault, State, Step};
use super::gzip::inflate;
use super::streams::difference;

/// A local header without name and extra fields, 4.3.7.
const HEADER: usize = 30;
/// A member's data is not known to have a length before it ends, 4.4.4.
const LENGTH_FOLLOWS: u16 = 1 << 3;
/// A member is encrypted, in one of several ways, 4.4.4.
const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;

/// The archive.
#[derive(Debug)]
pub struct Zip {
    place: Place,
    /// Whether the first file was read.
    found: bool,
}

/// Where in the archive a decoder is.
#[derive(Debug)]
enum Place {
    /// Before a member or the directory.
    Between,
    /// In a member.
    Within(Member),
    /// Behind its data, where its checksum follows.
    Behind(Member),
}

/// A member that is being read.
#[derive(Debug)]
struct Member {
    data: Data,
    crc: Crc,
    /// What it is to be, unless it follows.
    stated: Option<u32>,
    /// Whether lengths that follow have 8 bytes.
    long: bool,
    /// Whether it is no file that anyone put there: a directory, or what macOS adds.
    passed_over: bool,
}

/// How a member's data lies in the archive.
#[derive(Debug)]
enum Data {
    /// As it is; bytes left.
    Stored(u64),
    Deflated(Box<Decompress>),
}

impl Default for Zip {
    fn default() -> Self {
        Self { place: Place::Between, found: false }
    }
}

impl Decoder for Zip {
    fn step(&mut self, input: &[u8], ended: bool, output: &mut [u8]) -> Step {
        match &mut self.place {
            Place::Between => self.between(input).unwrap_or_else(|| absent(ended)),
            Place::Within(member) => {
                let (step, done) = member.step(input, output);
                if done {
                    self.place = match std::mem::replace(&mut self.place, Place::Between) {
                        Place::Within(member) => Place::Behind(member),
                        other @ (Place::Between | Place::Behind(_)) => other,
                    };
                }
                step
            }
            Place::Behind(member) => match member.behind(input) {
                None => absent(ended),
                Some(Err(fault)) => Step::broken(fault),
                Some(Ok(used)) => {
                    self.place = Place::Between;
                    // A step that uses nothing would read as one that needs more.
                    let next = self.between(input.get(used..).unwrap_or_default());
                    let next = next.unwrap_or_else(|| if used == 0 { absent(ended) } else { Step::more() });
                    Step { used: next.used.saturating_add(used), ..next }
                }
            },
        }
    }
}

/// What it means that more is needed.
fn absent(ended: bool) -> Step {
    if ended { Step::broken(Fault::Truncated) } else { Step::more() }
}

impl Zip {
    /// Reads what stands between members; none if it is not all there.
    fn between(&mut self, input: &[u8]) -> Option<Step> {
        Some(match input.first_chunk()? {
            b"PK\x03\x04" => match Header::of(input)?.member() {
                Err(_) | Ok((_, Member { passed_over: false, .. })) if self.found => {
                    Step::broken(Fault::Unsupported("only the first file of the archive was read".into()))
                }
                Err(fault) => Step::broken(fault),
                Ok((used, member)) => {
                    self.found |= !member.passed_over;
                    self.place = Place::Within(member);
                    Step::used(used)
                }
            },
            // The directory, one that is signed or large, or the end.
            b"PK\x01\x02" | b"PK\x06\x08" | b"PK\x06\x06" | b"PK\x05\x06" if self.found => Step::end(),
            b"PK\x01\x02" | b"PK\x06\x08" | b"PK\x06\x06" | b"PK\x05\x06" => {
                Step::broken(Fault::Unsupported("there is no file in the archive".into()))
            }
            _ => Step::broken(Fault::corrupt("neither a file nor the directory follows")),
        })
    }
}

impl Member {
    /// Goes on with the data; whether it is done.
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> (Step, bool) {
        let (used, made, outcome) = match &mut self.data {
            Data::Stored(left) => {
                let count = input.len().min(output.len()).min(usize::try_from(*left).unwrap_or(usize::MAX));
                if let (Some(from), Some(to)) = (input.get(..count), output.get_mut(..count)) {
                    to.copy_from_slice(from);
                }
                *left = left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
                (count, count, Ok(*left == 0))
            }
            Data::Deflated(stream) => {
                let before = (stream.total_in(), stream.total_out());
                let outcome = inflate(stream, input, output);
                let used = difference(stream.total_in(), before.0);
                (used, difference(stream.total_out(), before.1), outcome)
            }
        };
        self.crc.update(output.get(..made).unwrap_or_default());
        let made = if self.passed_over { 0 } else { made };
        match outcome {
            Ok(done) => (Step { used, made, state: State::More }, done),
            Err(fault) => (Step { used, made, state: State::Broken(fault) }, false),
        }
    }

    /// Checks the checksum; the length of what follows the data, or none if it is not all there.
    fn behind(&self, input: &[u8]) -> Option<Result<usize, Fault>> {
        let (stated, length) = match self.stated {
            Some(stated) => (stated, 0),
            None => {
                // 4.3.9: a signature that may be missing, the checksum, two lengths.
                let signature: usize = if input.starts_with(b"PK\x07\x08") { 4 } else { 0 };
                let lengths = if self.long { 16 } else { 8 };
                let length = signature.saturating_add(4).saturating_add(lengths);
                let whole = input.get(..length)?;
                (u32::from_le_bytes(*whole.get(signature..)?.first_chunk()?), length)
            }
        };
        Some(if stated == self.crc.sum() { Ok(length) } else { Err(Fault::corrupt("checksum")) })
    }
}

/// A local header.
struct Header<'a> {
    fixed: &'a [u8; HEADER],
    name: &'a [u8],
    extra: &'a [u8],
}

impl<'a> Header<'a> {
    /// The header that the input begins with, if all of it is there.
    fn of(input: &'a [u8]) -> Option<Self> {
        let (fixed, rest) = input.split_first_chunk::<HEADER>()?;
        let length = |at: usize| Some(usize::from(u16::from_le_bytes(*fixed.get(at..)?.first_chunk()?)));
        let (name, rest) = rest.split_at_checked(length(26)?)?;
        let extra = rest.get(..length(28)?)?;
        Some(Self { fixed, name, extra })
    }

    fn u16(&self, at: usize) -> u16 {
        self.fixed.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u16::from_le_bytes(*bytes))
    }

    fn u32(&self, at: usize) -> u32 {
        self.fixed.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_le_bytes(*bytes))
    }

    /// The lengths of a large member, 4.5.3: uncompressed, compressed.
    fn large(&self) -> Option<&'a [u8]> {
        const LARGE: u16 = 1;
        let mut fields = self.extra;
        loop {
            let (kind, rest) = fields.split_first_chunk()?;
            let (length, rest) = rest.split_first_chunk()?;
            let (field, rest) = rest.split_at_checked(u16::from_le_bytes(*length).into())?;
            if u16::from_le_bytes(*kind) == LARGE {
                return Some(field);
            }
            fields = rest;
        }
    }

    /// The length of the header, and the member that follows it.
    fn member(&self) -> Result<(usize, Member), Fault> {
        let flags = self.u16(6);
        if flags & ENCRYPTED != 0 {
            return Err(Fault::Unsupported("the file in the archive is encrypted".into()));
        }
        let follows = flags & LENGTH_FOLLOWS != 0;
        let data = match self.u16(8) {
            // Nothing says where such data ends, unless there is none, as of a directory.
            0 if follows && !self.name.ends_with(b"/") => {
                return Err(Fault::Unsupported("the length of what is stored is not known".into()));
            }
            0 => Data::Stored(self.stored_length()),
            8 => Data::Deflated(Box::new(Decompress::new(false))),
            other => return Err(Fault::Unsupported(format!("compression method {other} is not supported"))),
        };
        let used = HEADER.saturating_add(self.name.len()).saturating_add(self.extra.len());
        let member = Member {
            data,
            crc: Crc::new(),
            stated: (!follows).then(|| self.u32(14)),
            long: self.large().is_some(),
            passed_over: self.name.ends_with(b"/") || self.name.starts_with(b"__MACOSX/"),
        };
        Ok((used, member))
    }

    fn stored_length(&self) -> u64 {
        let length = self.u32(18);
        let large = self.large().and_then(|field| field.get(8..)?.first_chunk());
        match large {
            Some(bytes) if length == u32::MAX => u64::from_le_bytes(*bytes),
            Some(_) | None => length.into(),
        }
    }
}
