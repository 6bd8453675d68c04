//! What a pcapng says of an interface, draft-ietf-opsawg-pcapng, section 4.2.

use crate::bytes::Order;
use crate::defect::Defect;
use crate::options::{END_OF_OPTIONS, Opt, Options, Short};
use crate::record::snap_length;
use crate::resolution::Resolution;
use crate::statistics::Statistics;

const IF_TSRESOL: u16 = 9;
const IF_FCSLEN: u16 = 13;
const IF_TSOFFSET: u16 = 14;

/// An interface of a section.
#[derive(Debug, Clone, Copy, Default)]
pub struct Interface {
    /// The most bytes of a frame that were kept.
    pub snap_length: u32,
    /// What its timestamps mean.
    pub resolution: Resolution,
    /// Bytes of the check sequence at the end of a frame, where the frame does not say.
    pub fcs: u32,
    /// What was said so far of what it lost.
    pub statistics: Statistics,
}

impl Interface {
    /// Link type, two bytes, snap length, options; none if the block is too short for them.
    pub fn read(order: Order, body: &[u8]) -> Result<Option<(u32, Self)>, Defect> {
        let (Some(link_type), Some(stated)) = (order.u16(body, 0), order.u32(body, 4)) else {
            return Ok(None);
        };
        let mut interface = Self { snap_length: snap_length(stated), ..Self::default() };
        let (mut units_seen, mut offset_seen) = (false, false);
        for option in Options::new(order, body.get(8..).unwrap_or_default()) {
            let Opt { code, value } = match option {
                Ok(option) => option,
                Err(Short) => return Ok(None),
            };
            match code {
                END_OF_OPTIONS => {
                    due(value, 0, "opt_endofopt")?;
                    break;
                }
                IF_TSRESOL => {
                    due(value, 1, "if_tsresol")?;
                    once(&mut units_seen, "if_tsresol")?;
                    interface.resolution.set_units(value.first().copied().unwrap_or_default())?;
                }
                IF_TSOFFSET => {
                    due(value, 8, "if_tsoffset")?;
                    once(&mut offset_seen, "if_tsoffset")?;
                    interface.resolution.set_offset(order.i64(value, 0).unwrap_or_default());
                }
                IF_FCSLEN => interface.fcs = value.first().copied().unwrap_or_default().into(),
                _ => {}
            }
        }
        Ok(Some((link_type.into(), interface)))
    }
}

fn due(value: &[u8], due: u16, option: &'static str) -> Result<(), Defect> {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    if length == due { Ok(()) } else { Err(Defect::OptionLength { option, length, due }) }
}

fn once(seen: &mut bool, option: &'static str) -> Result<(), Defect> {
    if std::mem::replace(seen, true) { Err(Defect::OptionTwice(option)) } else { Ok(()) }
}
