//! How numbers and addresses are coded that each frame, byte range or flow has.
//!
//! postcard writes whole numbers seven bits at a time, and addresses byte by byte: for a flow of one packet that was a
//! quarter of what the reassembler did. Only floating-point numbers it writes in the bytes that they have. So the bits of
//! whole numbers go as those of such ones, which no number is changed by ([`f64::from_bits`]), and addresses as one number
//! each.

/// Numbers in eight bytes.
pub mod long {
    use serde::{Deserialize, Deserializer, Serializer};

    /// Codes a number.
    pub fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from_bits(*number))
    }

    /// Decodes it.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        f64::deserialize(deserializer).map(f64::to_bits)
    }
}

/// Numbers in four bytes.
pub mod word {
    use serde::{Deserialize, Deserializer, Serializer};

    /// Codes a number.
    pub fn serialize<S: Serializer>(number: &u32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f32(f32::from_bits(*number))
    }

    /// Decodes it.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
        f32::deserialize(deserializer).map(f32::to_bits)
    }
}

/// IP addresses.
pub mod address {
    use std::net::IpAddr;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    enum Number {
        V4(#[serde(with = "crate::compact::word")] u32),
        V6(u128),
    }

    /// Codes an address.
    pub fn serialize<S: Serializer>(address: &IpAddr, serializer: S) -> Result<S::Ok, S::Error> {
        let number = match address {
            IpAddr::V4(v4) => Number::V4(v4.to_bits()),
            IpAddr::V6(v6) => Number::V6(v6.to_bits()),
        };
        number.serialize(serializer)
    }

    /// Decodes it. In place: an address that is put down as four bytes and copied as eight at once has to be waited for.
    #[inline(always)]
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<IpAddr, D::Error> {
        Ok(match Number::deserialize(deserializer)? {
            Number::V4(bits) => IpAddr::V4(bits.into()),
            Number::V6(bits) => IpAddr::V6(bits.into()),
        })
    }
}

/// MAC addresses, where there are any.
pub mod mac {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Number(#[serde(with = "crate::compact::long")] u64);

    /// Codes an address.
    pub fn serialize<S: Serializer>(mac: &Option<[u8; 6]>, serializer: S) -> Result<S::Ok, S::Error> {
        let number = mac.map(|[a, b, c, d, e, f]| Number(u64::from_be_bytes([0, 0, a, b, c, d, e, f])));
        number.serialize(serializer)
    }

    /// Decodes it, if it is one.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<[u8; 6]>, D::Error> {
        match Option::<Number>::deserialize(deserializer)?.map(|Number(number)| number.to_be_bytes()) {
            None => Ok(None),
            Some([0, 0, mac @ ..]) => Ok(Some(mac)),
            Some(_) => Err(D::Error::custom("a MAC address of more than six bytes")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Both {
        #[serde(with = "super::address")]
        address: IpAddr,
        #[serde(with = "super::mac")]
        mac: Option<[u8; 6]>,
    }

    #[test]
    fn addresses_come_out_as_they_went_in() {
        for address in
            ["0.0.0.0", "192.0.2.255", "::", "2001:db8::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]
        {
            for mac in [None, Some([0; 6]), Some([1, 2, 3, 4, 5, 6]), Some([0xff; 6])] {
                let both = Both { address: address.parse().unwrap(), mac };
                let coded = postcard::to_allocvec(&both).unwrap();
                assert_eq!(postcard::from_bytes::<Both>(&coded).unwrap(), both);
            }
        }
    }

    #[test]
    fn numbers_come_out_as_they_went_in() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Both(#[serde(with = "super::long")] u64, #[serde(with = "super::word")] u32);
        // Among them what is no number as a floating-point one, and says so or does not.
        let patterns = [0, 1, 0x7f80_0001, 0x7fc0_0000, 0xff80_0001, 0x8000_0000, u32::MAX];
        for low in patterns {
            for high in patterns {
                let both = Both(u64::from(high) << 32 | u64::from(low), low);
                let coded = postcard::to_allocvec(&both).unwrap();
                assert_eq!(coded, [&both.0.to_le_bytes()[..], &low.to_le_bytes()].concat());
                assert_eq!(postcard::from_bytes::<Both>(&coded).unwrap(), both);
            }
        }
    }

    #[test]
    fn seven_bytes_are_no_mac_address() {
        let mac = |number: u64| {
            let address = [&[0][..], &[192, 0, 2, 1]].concat();
            [&address[..], &[1], &number.to_le_bytes()].concat()
        };
        assert!(postcard::from_bytes::<Both>(&mac((1 << 48) - 1)).is_ok());
        let coded = mac(1 << 48);
        assert!(postcard::from_bytes::<Both>(&coded).is_err());
    }
}
