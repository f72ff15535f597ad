//! The encodings of files that other programs wrote.

/// Decodes a text: UTF-8, or UTF-16 with a byte order mark, as PowerShell writes it.
pub fn decoded(bytes: Vec<u8>) -> Option<String> {
    if !is_utf16(&bytes) {
        let bytes = match bytes.strip_prefix(b"\xef\xbb\xbf") {
            Some(text) => text.to_vec(),
            None => bytes,
        };
        return String::from_utf8(bytes).ok();
    }

    let read = match bytes[0] {
        0xff => u16::from_le_bytes,
        _ => u16::from_be_bytes,
    };
    let units: Vec<u16> = bytes[2..]
        .chunks_exact(2)
        .map(|pair| read([pair[0], pair[1]]))
        .collect();
    String::from_utf16(&units).ok()
}

/// Whether bytes begin with a byte order mark of UTF-16.
pub fn is_utf16(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff])
}
