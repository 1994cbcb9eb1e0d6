//! Files of variables (`fileKeyRef`, KEP-3721): `NAME='value'`, a part of what a shell would read.
//!
//! A value is in single quotes, may span lines and is taken as it is; a comment may follow it. Blank lines and lines that
//! begin with `#` say nothing. A space after `=` ends the assignment, as in a shell: the value is empty. There may be
//! none before it.

/// What `key` is in a file with this text; None where the file does not say. What comes after it is not looked at.
pub(super) fn find(text: &str, key: &str) -> Result<Option<String>, String> {
    let (mut rest, mut number) = (text, 0);
    while !rest.is_empty() {
        number += 1;
        let wrong = |why: &str| format!("invalid environment variable format at line {number}: {why}");
        let (whole, after) = rest.split_once('\n').unwrap_or((rest, ""));
        let line = whole.trim_start_matches(BLANK);
        if line.trim_end_matches('\r').is_empty() || line.starts_with('#') {
            rest = after;
            continue;
        }
        let (name, value) = line.split_once('=').ok_or_else(|| wrong("missing '='"))?;
        if name.is_empty() {
            return Err(wrong("empty variable name"));
        }
        if name.ends_with(BLANK) {
            return Err(wrong("whitespace before '=' is not allowed"));
        }
        let found = if value.starts_with(BLANK) {
            rest = after;
            ""
        } else {
            let at = value.strip_prefix('\'').ok_or_else(|| wrong("value must be enclosed in single quotes"))?;
            // From the quote on, over the ends of lines.
            let at = &rest[whole.len() - at.len()..];
            let (value, after) = at.split_once('\'').ok_or_else(|| wrong("unclosed single quote"))?;
            number += value.matches('\n').count();
            let (tail, next) = after.split_once('\n').unwrap_or((after, ""));
            let tail = tail.trim_matches(BLANK).trim_end_matches('\r');
            if !tail.is_empty() && !tail.starts_with('#') {
                return Err(format!(
                    "invalid environment variable format at line {number}: unexpected content after closing quote"
                ));
            }
            rest = next;
            value
        };
        if name == key {
            return Ok(Some(found.to_owned()));
        }
    }
    Ok(None)
}

/// What may stand around an assignment.
const BLANK: [char; 2] = [' ', '\t'];

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn files_are_read_as_a_shell_would_and_no_further() {
        for (text, expected) in [
            ("K='v'", Ok(Some("v"))),
            ("", Ok(None)),
            ("A='1'\n# K='no'\n\n \t K='v' # yes\nbroken", Ok(Some("v"))),
            ("A='1'\r\nK='v'\r\n", Ok(Some("v"))),
            ("A='K='\nK='a=b $X \"c\" \\'", Ok(Some("a=b $X \"c\" \\"))),
            ("A='one\nK=two\n'\nK='first\nsecond\n'\n", Ok(Some("first\nsecond\n"))),
            ("K=''", Ok(Some(""))),
            ("K= 'v'", Ok(Some(""))),
            ("K='1'\nK='2'", Ok(Some("1"))),
            ("KK='1'", Ok(None)),
            ("A='1'\nK", Err("line 2: missing '='")),
            ("='v'", Err("line 1: empty variable name")),
            ("K ='v'", Err("line 1: whitespace before '=' is not allowed")),
            ("K=v", Err("line 1: value must be enclosed in single quotes")),
            ("K=\"v\"", Err("line 1: value must be enclosed in single quotes")),
            ("A='1\n2\n3'\nK='v", Err("line 4: unclosed single quote")),
            ("A='1\n2' x", Err("line 2: unexpected content after closing quote")),
        ] {
            let expected = expected
                .map(|value| value.map(str::to_owned))
                .map_err(|why| format!("invalid environment variable format at {why}"));
            assert_eq!(find(text, "K"), expected, "{text:?}");
        }
    }
}
