//! What a body's file name ends in, by its media type: as with tcpflow 1.6.1.
//!
//! mime2ext knows what the authors of mime-db prefer. Where tcpflow prefers something else, or has nothing
//! for a type that is met often, the table here has the last word.

use proto::body::Extension;

/// Media types for which tcpflow has another extension, or none, in the order of their names.
const OTHERWISE: &[(&str, &str)] = &[
    ("application/gzip", ""),
    ("application/mathematica", "mb"),
    ("application/mp21", "mp21"),
    ("application/mp4", "mp4s"),
    ("application/octet-stream", ""),
    ("application/pgp-signature", "asc"),
    ("application/postscript", "ps"),
    ("application/smil+xml", "smil"),
    ("application/sql", ""),
    ("application/tei+xml", "teicorpus"),
    ("application/vnd.hydrostatix.sof-data", "sfd"),
    ("application/vnd.hzn-3d-crossword", "x3d"),
    ("application/vnd.kinar", "knp"),
    ("application/vnd.tcpdump.pcap", ""),
    ("application/vnd.ufdl", "ufdl"),
    ("application/x-apple-diskimage", ""),
    ("application/x-font-type1", "afm"),
    ("application/x-font-woff", "woff"),
    ("application/x-iso9660-image", ""),
    ("application/x-mobipocket-ebook", "mobi"),
    ("application/x-msdos-program", ""),
    ("application/x-msdownload", ""),
    ("application/x-ns-proxy-autoconfig", ""),
    ("application/x-perl", ""),
    ("application/x-redhat-package-manager", ""),
    ("application/x-texinfo", "texi"),
    ("application/x-x509-ca-cert", "crt"),
    ("application/x-xz", ""),
    ("application/x-zip-compressed", ""),
    ("application/xslt+xml", "xslt"),
    ("application/xv+xml", "xvml"),
    ("audio/mp3", ""),
    ("audio/mp4", "mp4a"),
    ("audio/mp4a-latm", "m4a"),
    ("audio/ogg", "ogg"),
    ("audio/vnd.dece.audio", "uvva"),
    ("audio/x-aiff", "aiff"),
    ("audio/x-m4a", ""),
    ("image/pjpeg", ""),
    ("image/tiff", "tiff"),
    ("image/x-macpaint", "pntg"),
    ("image/x-ms-bmp", ""),
    ("image/x-pict", "pict"),
    ("image/x-quicktime", "qtif"),
    ("model/iges", "iges"),
    ("model/mesh", "mesh"),
    ("model/vrml", "vrml"),
    ("text/cache-manifest", "manifest"),
    ("text/javascript", ""),
    ("text/markdown", ""),
    ("text/rtf", ""),
    ("text/troff", "roff"),
    ("text/uri-list", "urls"),
    ("text/vcard", ""),
    ("text/x-component", ""),
    ("text/x-pascal", "pas"),
    ("text/xml", ""),
    ("video/mp4", "m4v"),
    ("video/mpeg", "mpg"),
    ("video/quicktime", "mov"),
    ("video/vnd.dece.hd", "uvvh"),
    ("video/vnd.dece.mobile", "uvvm"),
    ("video/vnd.dece.pd", "uvvp"),
    ("video/vnd.dece.sd", "uvvs"),
    ("video/vnd.dece.video", "uvvv"),
    ("video/vnd.mpegurl", "m4u"),
    ("video/vnd.uvvu.mp4", "uvvu"),
    ("video/x-matroska", ""),
];

/// The extension for the value of a Content-Type field.
pub fn extension(content_type: &str) -> Extension {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let found = match OTHERWISE.binary_search_by_key(&kind.as_str(), |(known, _)| known) {
        Ok(index) => OTHERWISE.get(index).map(|(_, extension)| *extension),
        Err(_) => mime2ext::mime2ext(&kind),
    };
    found.and_then(|text| Extension::try_from(text).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_valid() {
        assert!(OTHERWISE.is_sorted_by_key(|(kind, _)| kind));
        for (kind, text) in OTHERWISE {
            assert_eq!(extension(kind).as_str(), *text);
            assert_ne!(mime2ext::mime2ext(*kind), Some(*text), "{kind} need not be here");
        }
    }

    #[test]
    fn types_as_they_are_sent() {
        for (sent, expected) in [
            ("text/html", "html"),
            ("TEXT/HTML; charset=utf-8", "html"),
            ("text/html;\r\n charset=utf-8", "html"),
            ("image/jpeg", "jpg"),
            ("font/woff2", "woff2"),
            ("image/avif", "avif"),
            ("application/octet-stream", ""),
            ("text", ""),
            ("/", ""),
            ("", ""),
            ("../../etc/passwd", ""),
            ("text/html,text/plain", ""),
        ] {
            assert_eq!(extension(sent).as_str(), expected, "{sent}");
        }
    }
}
