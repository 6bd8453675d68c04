//! What can be wrong with a savefile, in libpcap's words, which tcpflow's users and scripts know.

/// Why a savefile cannot be read, or not to its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant's text says what it is")]
pub enum Defect {
    #[error("unknown file format")]
    Format,
    #[error("archaic pcap savefile format")]
    Archaic,
    #[error("unsupported pcap savefile version {major}.{minor}")]
    ClassicVersion { major: u16, minor: u16 },
    #[error("truncated dump file; tried to read {wanted} {part} bytes, only got {got}")]
    Truncated { wanted: usize, part: &'static str, got: usize },
    #[error("invalid packet capture length {length}, bigger than snaplen of {limit}")]
    OverSnapLength { length: u32, limit: u32 },
    #[error("invalid packet capture length {length}, bigger than maximum of {limit}")]
    OverMaximum { length: u32, limit: u32 },
    #[error("truncated pcapng dump file; tried to read {wanted} bytes, only got {got}")]
    TruncatedBlock { wanted: usize, got: usize },
    #[error(
        "Section Header Block in pcapng dump file has invalid length {least} < _{length}_ < {most} (BT_SHB_INSANE_MAX)"
    )]
    SectionLength { least: u32, length: u32, most: u32 },
    #[error("unsupported pcapng savefile version {major}.{minor}")]
    PcapngVersion { major: u16, minor: u16 },
    #[error("unknown pcapng savefile major version number {0}")]
    SectionVersion(u16),
    #[error("the file has a section with a bad byte order magic field")]
    ByteOrder,
    #[error("block in pcapng dump file has a length of {length} < {least}")]
    BlockLength { length: u32, least: u32 },
    #[error("block in pcapng dump file has a length of {0} that is not a multiple of 4")]
    BlockAlignment(u32),
    #[error("pcapng block size {length} > maximum {limit}")]
    BlockSize { length: u32, limit: u32 },
    #[error("block total length in header and trailer don't match")]
    BlockTrailer,
    #[error("block of type {0} in pcapng dump file is too short")]
    BlockShort(u32),
    #[error("the capture file has no Interface Description Blocks")]
    NoInterfaces,
    #[error("the capture file has a packet block before any Interface Description Blocks")]
    PacketFirst,
    #[error("more than {0} interfaces in the file")]
    TooManyInterfaces(u32),
    #[error(
        "a packet arrived on interface {0}, but there's no Interface Description Block for that interface"
    )]
    NoSuchInterface(u32),
    #[error("Interface Description Block has {option} option with length {length} != {due}")]
    OptionLength { option: &'static str, length: u16, due: u16 },
    #[error("Interface Description Block has more than one {0} option")]
    OptionTwice(&'static str),
    #[error("Interface Description Block if_tsresol option resolution {base}^-{power} is too high")]
    Resolution { base: u8, power: u8 },
}
