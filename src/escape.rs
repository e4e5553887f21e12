//! One function an output format: text from a record, which a stranger may have written, becomes text of the format and
//! nothing else. Numbers are never escaped.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Text on one line, without characters that steer a terminal or turn the text around them.
pub fn line(text: &str) -> String {
    let harmless = |c: char| match c {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
        c if c.is_control() || turns(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(harmless).collect()
}

/// Whether a character changes the direction of the text around it (Unicode's `Bidi_Control`).
pub fn turns(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A whole page without characters that steer or turn the text around them, and without those that XML does not have;
/// its lines stay.
pub fn visible(page: String) -> String {
    let is_harmful = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t')) || turns(c) || matches!(c, '\u{fffe}' | '\u{ffff}')
    };
    match page.chars().any(is_harmful) {
        true => page.replace(is_harmful, "\u{fffd}"),
        false => page,
    }
}

/// Text of an HTML or XML element or attribute.
pub fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in line(text).chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            // These are not XML characters.
            '\u{fffe}' | '\u{ffff}' => escaped.push(char::REPLACEMENT_CHARACTER),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Text within a line or a table cell of Markdown: no markup, no HTML, no link.
pub fn markdown(text: &str) -> String {
    let mut escaped = String::new();
    let line = line(text);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        // An ampersand alone stands for itself, unlike `&lt;`.
        let entity =
            c == '&' && chars.peek().is_some_and(|next| next.is_ascii_alphanumeric() || *next == '#');
        if entity || matches!(c, '\\' | '`' | '*' | '_' | '<' | '[' | '|' | '~') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    // An address alone would become a link.
    escaped.replace("://", ":\\//").replace("www.", "www\\.")
}

/// Text of LaTeX outside of math, as any engine and font encoding sets it.
pub fn latex(text: &str) -> String {
    let mut escaped = String::new();
    let mut before = ' ';
    for c in line(text).chars() {
        // Two of these would become one: "--" is a dash.
        if c == before && matches!(c, '-' | ',' | '\'') {
            escaped += "{}";
        }
        before = c;
        match c {
            '\\' => escaped += "\\textbackslash{}",
            '~' => escaped += "\\textasciitilde{}",
            '^' => escaped += "\\textasciicircum{}",
            '`' => escaped += "\\textasciigrave{}",
            // Some languages of babel make it a command.
            '"' => escaped += "\\char34{}",
            '<' | '>' => escaped.extend(['$', c, '$']),
            '|' => escaped += "\\textbar{}",
            '±' => escaped += "$\\pm$",
            '−' => escaped += "$-$",
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => escaped.extend(['\\', c]),
            c => latex_letter(c, &mut escaped),
        }
    }
    // A hyphen is not a minus sign.
    match escaped.strip_prefix('-') {
        Some(number) if number.starts_with(|c: char| c.is_ascii_digit()) => format!("$-${number}"),
        _ => escaped,
    }
}

/// A letter that pdflatex knows without further packages, or else its number: an unknown letter is an error there.
fn latex_letter(c: char, escaped: &mut String) {
    const UNKNOWN: &str = "ÐÞðþ×÷ĄąĐđĘęĦħĮįĸĿŀŉŊŋŦŧŲųſ";
    match c {
        '–' | '—' | '‘' | '’' | '“' | '”' | '…' => escaped.push(c),
        'À'..='ſ' if !UNKNOWN.contains(c) => escaped.push(c),
        c if c.is_ascii() => escaped.push(c),
        c => *escaped += &format!("U+{:04X}", u32::from(c)),
    }
}

/// The same for a sentence: commands in backticks are set so that they can be copied, and a word of more than `longest`
/// letters may go on in another line.
pub fn latex_sentence(text: &str, longest: usize) -> String {
    let text = line(text);
    let mut parts: Vec<&str> = text.split('`').collect();
    // A backtick alone stands for itself.
    let alone = parts.len().is_multiple_of(2).then(|| parts.pop()).flatten();
    let words = |part: &str, set: &dyn Fn(&str) -> String| -> String {
        let broken = |word: &str| {
            let chars: Vec<char> = word.chars().collect();
            let pieces = match chars.len() > longest {
                true => chars.chunks(8).map(|chunk| set(&chunk.iter().collect::<String>())).collect(),
                false => vec![set(word)],
            };
            pieces.join("\\allowbreak{}")
        };
        part.split(' ').map(broken).collect::<Vec<_>>().join(" ")
    };
    let set = |(place, part): (usize, &&str)| match place % 2 {
        0 => words(part, &latex),
        _ => format!("\\texttt{{{}}}", words(part, &latex_code)),
    };
    let all: String = parts.iter().enumerate().map(set).collect();
    all + &alone.map(|part| latex("`") + &words(part, &latex)).unwrap_or_default()
}

/// Text in the typewriter type of LaTeX, where each character of ASCII but two has its own place.
fn latex_code(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '\'' => escaped += "\\textquotesingle{}",
            '`' => escaped += "\\textasciigrave{}",
            // One of two hyphens or commas would vanish.
            '-' | ',' => escaped.extend([c, '{', '}']),
            '\\' | '~' | '^' | '"' | '<' | '>' | '|' | '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                escaped += &format!("\\char{}{{}}", u32::from(c));
            }
            c => latex_letter(c, &mut escaped),
        }
    }
    escaped
}

/// A text cell of CSV, before it is quoted: a spreadsheet takes one that begins with `=`, `+`, `-`, `@` or a control
/// character for a formula, so an apostrophe is put in front. Text that is a number is one.
pub fn csv(text: &str) -> Cow<'_, str> {
    match text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) && text.parse::<f64>().is_err() {
        true => format!("'{text}").into(),
        false => text.into(),
    }
}

/// A text in quotation marks, for JSON, YAML and Python: a JSON string is valid in each.
pub fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A word of a POSIX shell. A line break stays one within the quotation marks.
pub fn shell(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./=:,+@%".contains(&b);
    match !word.is_empty() && word.bytes().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// A word of the system, such as a path, as a word of a shell. What is not UTF-8, and control characters, are written
/// as bash, zsh and POSIX.1-2024 read them: `$'\xff'`.
pub fn shell_os(word: impl AsRef<OsStr>) -> String {
    let word = word.as_ref();
    match word.to_str() {
        Some(text) if line(text) == text => shell(text),
        _ => {
            let byte = |b: &u8| match b {
                b'\'' | b'\\' => format!("\\{}", char::from(*b)),
                b if b.is_ascii_graphic() || *b == b' ' => char::from(*b).to_string(),
                b => format!("\\x{b:02x}"),
            };
            format!("$'{}'", word.as_bytes().iter().map(byte).collect::<String>())
        }
    }
}

/// A recorded command of `reg` as a line of a shell script, each of its words quoted again; none if the text is anything
/// else, such as two commands.
pub fn command(text: &str) -> Option<String> {
    let words = words(text)?;
    let one_line = |word: &String| !word.contains(|c: char| c.is_control() || turns(c));
    let is_ours = words.first().is_some_and(|program| program == "reg") && words.iter().all(one_line);
    is_ours.then(|| words.iter().map(|word| shell(word)).collect::<Vec<_>>().join(" "))
}

/// The words of a command that [`shell`] has quoted; none of any other text.
fn words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut word = String::new();
        loop {
            if let Some(quoted) = rest.strip_prefix('\'') {
                let (inner, behind) = quoted.split_once('\'')?;
                word += inner;
                rest = behind;
            } else if let Some(behind) = rest.strip_prefix(r"\'") {
                word.push('\'');
                rest = behind;
            } else {
                let end = rest.find(['\'', '\\', ' ']).unwrap_or(rest.len());
                if end == 0 {
                    break;
                }
                word += &rest[..end];
                rest = &rest[end..];
            }
        }
        words.push(word);
        rest = match rest.strip_prefix(' ') {
            Some(behind) => behind,
            None if rest.is_empty() => break,
            None => return None,
        };
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What strangers write.
    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            any::<String>(),
            prop::sample::select(vec![
                "<script>alert(1)</script>",
                "\"><img src=x onerror=alert(1)>",
                "&lt;",
                "=HYPERLINK(\"http://x\")",
                "@SUM(A1)",
                "$(rm -rf /)",
                "`id`",
                "'; rm -rf / #",
                "\n---\n",
                "\\input{x}",
                "](http://x)",
                "![x](http://x)",
                "http://x",
                "\u{202e}",
                "\u{200f}",
                "\u{61c}",
                "\u{1b}[2J",
                "\r\n",
                "\\",
                "'",
                "%0a",
            ])
            .prop_map(str::to_owned),
        ];
        prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn one_line_stays_one_and_steers_nothing(text in hostile()) {
            for escaped in [line(&text), html(&text), markdown(&text), latex(&text), latex_sentence(&text, 9)] {
                prop_assert!(!escaped.contains(|c: char| c.is_control() || turns(c)), "{escaped:?}");
            }
        }

        #[test]
        fn no_element_and_no_attribute_ends(text in hostile()) {
            let escaped = html(&text);
            prop_assert!(!escaped.contains(['<', '>', '"', '\'']), "{escaped:?}");
            let back = escaped.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
            let back = back.replace("&#39;", "'").replace("&amp;", "&");
            prop_assert_eq!(back.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}"), line(&text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}"));
        }

        #[test]
        fn no_markup_gets_through_markdown(text in hostile()) {
            let escaped = markdown(&text);
            let mut before = ' ';
            for c in escaped.chars() {
                prop_assert!(!"`*_<[|~".contains(c) || before == '\\', "{escaped:?}");
                before = if before == '\\' && c == '\\' { ' ' } else { c };
            }
            prop_assert!(!escaped.contains("://"), "{escaped:?}");
        }

        #[test]
        fn no_cell_is_a_formula_and_the_text_is_still_there(text in hostile()) {
            let cell = csv(&text);
            let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
            prop_assert!(!formula || cell.parse::<f64>().is_ok(), "{cell:?}");
            prop_assert!(cell == text || cell.strip_prefix('\'') == Some(&text));
        }

        #[test]
        fn json_reads_the_text_back(text in hostile()) {
            prop_assert_eq!(serde_json::from_str::<String>(&json(&text)).unwrap(), text);
        }

        #[test]
        fn a_command_reads_back_and_a_text_that_is_none_is_none(words_ in prop::collection::vec(hostile(), 0..4)) {
            let typed = std::iter::once("reg".to_owned()).chain(words_.iter().map(|word| shell(word)));
            let typed = typed.collect::<Vec<_>>().join(" ");
            let all: Vec<String> = std::iter::once("reg".to_owned()).chain(words_.iter().cloned()).collect();
            prop_assert_eq!(words(&typed), Some(all.clone()));
            let plain = !all.iter().any(|word| word.contains(|c: char| c.is_control() || turns(c)));
            prop_assert_eq!(command(&typed), plain.then_some(typed));
        }

        /// Whatever a record calls a command, a real shell takes its line for one word after the other.
        #[test]
        fn no_second_command_gets_through(text in hostile()) {
            if let Some(line) = command(&format!("reg {text}")) {
                prop_assert!(!line.contains(['\n', '\r']));
                // Outside of quotation marks, a backslash stands before a quotation mark only.
                let joined = line.replace(r"'\''", "");
                let outside: String = joined.split('\'').step_by(2).collect();
                prop_assert!(outside.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./=:,+@% ".contains(&b)), "{line}");
            }
        }
    }

    #[test]
    fn words_are_quoted_as_a_shell_takes_them() {
        assert_eq!(shell("lr=0.1"), "lr=0.1");
        assert_eq!(shell("widths=[8, 8]"), "'widths=[8, 8]'");
        assert_eq!(shell("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(shell(""), "''");
        for other in ["rm -rf /", "reg x\nrm y", "reg x\\y", "reg 'x", "", "sh -c reg"] {
            assert_eq!(command(other), None, "{other}");
        }
        assert_eq!(command("reg x; rm -rf /").as_deref(), Some("reg 'x;' rm -rf /"));
        assert_eq!(command("reg $(id) `id`").as_deref(), Some("reg '$(id)' '`id`'"));
    }

    #[test]
    fn a_shell_reads_any_word_of_the_system() {
        for bytes in [&b"a/\xff b"[..], b"it's\n\\\xffa0", b"plain", "é\u{202e}'".as_bytes()] {
            let word = shell_os(OsStr::from_bytes(bytes));
            assert_eq!(line(&word), word);
            let read = std::process::Command::new("bash").arg("-c").arg(format!("printf %s {word}")).output();
            assert_eq!(read.unwrap().stdout, bytes, "{word}");
        }
    }

    #[test]
    fn commands_in_a_sentence_can_be_copied_and_long_words_go_on() {
        assert_eq!(latex("--subset ''x'' é 中"), r"-{}-subset '{}'x'{}' é U+4E2D");
        assert_eq!(
            latex_sentence("Type `reg eval RUN_1 --subset val`, 100 %.", 40),
            r"Type \texttt{reg eval RUN\char95{}1 -{}-{}subset val}, 100 \%."
        );
        assert_eq!(latex_sentence("one ` alone", 40), r"one \textasciigrave{} alone");
        assert_eq!(latex_sentence("0123456789", 9), r"01234567\allowbreak{}89");
    }

    #[test]
    fn nothing_that_latex_takes_for_a_command_gets_through() {
        assert_eq!(
            latex(r"\a{b}$c#d^e~f"),
            r"\textbackslash{}a\{b\}\$c\#d\textasciicircum{}e\textasciitilde{}f"
        );
    }
}
