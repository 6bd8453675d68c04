//! Addresses as one number each: by themselves they would be coded byte by byte, and each flow has four of them.

/// IP addresses.
pub mod address {
    use std::net::IpAddr;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    enum Number {
        V4(u32),
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

    /// Decodes it.
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

    /// Codes an address.
    pub fn serialize<S: Serializer>(mac: &Option<[u8; 6]>, serializer: S) -> Result<S::Ok, S::Error> {
        let number = mac.map(|[a, b, c, d, e, f]| u64::from_be_bytes([0, 0, a, b, c, d, e, f]));
        number.serialize(serializer)
    }

    /// Decodes it, if it is one.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<[u8; 6]>, D::Error> {
        match Option::<u64>::deserialize(deserializer)?.map(u64::to_be_bytes) {
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
    fn seven_bytes_are_no_mac_address() {
        let coded = postcard::to_allocvec(&(0_u8, 1_u32, Some(1_u64 << 48))).unwrap();
        assert!(postcard::from_bytes::<Both>(&coded).is_err());
    }
}
