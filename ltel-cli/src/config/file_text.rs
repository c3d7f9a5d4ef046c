//! The text of a configuration file, whose bytes may be of another encoding.

/// The text, or what is wrong with the encoding.
pub(crate) fn file_text(bytes: Vec<u8>) -> Result<String, String> {
    let is_utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) || bytes.contains(&0);
    if is_utf16 {
        return Err("it is not in UTF-8, but in UTF-16: save it as UTF-8".to_owned());
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = String::from_utf8_lossy(before).matches('\n').count() + 1;
        format!("it is not in UTF-8: line {line} has another encoding; save it as UTF-8")
    })
}

#[cfg(test)]
mod tests {
    use super::file_text;

    #[test]
    fn only_utf_8_is_read() {
        let utf16: Vec<_> = "\u{feff}a = 1".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert!(file_text(utf16).unwrap_err().contains("UTF-16"));
        let without_mark: Vec<_> = "a = 1".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert!(file_text(without_mark).unwrap_err().contains("UTF-16"));
        assert!(file_text(b"a = 1\nb = '\xe9'\n".to_vec()).unwrap_err().contains("line 2"));
        assert_eq!(file_text("a = 'é'".into()).as_deref(), Ok("a = 'é'"));
    }
}
