//! The words of an expression.

use std::ops::Range;

use super::FilterError;

/// One word and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lexeme<'t> {
    pub(super) kind: LexemeKind<'t>,
    pub(super) at: Range<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum LexemeKind<'t> {
    /// Letters, digits and `. _ - + : / * %`, without quotes.
    Word(&'t str),
    /// Text that was in quotes.
    Quoted(String),
    /// `(`, `)`, `,` or an operator.
    Sign(&'static str),
}

/// Signs; each before those that it begins with.
const SIGNS: [&str; 14] = ["==", "!=", "<=", ">=", "!~", "&&", "||", "=", "<", ">", "~", "(", ")", ","];

/// What may be in a word: names, numbers, dates, ids, paths.
fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || "._-+:/*%".contains(c)
}

/// Divides a text into words.
pub(super) fn words(text: &str) -> Result<Vec<Lexeme<'_>>, FilterError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let (kind, length) = if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        } else if c == '"' || c == '\'' {
            let (quoted, length) = quoted(rest, c).ok_or_else(|| {
                FilterError::new(text, at..text.len(), format!("the closing {c} is missing"))
            })?;
            (LexemeKind::Quoted(quoted), length)
        } else if is_of_word(c) {
            let length = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
            (LexemeKind::Word(&rest[..length]), length)
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            match *sign {
                "&&" | "||" => {
                    let word = if *sign == "&&" { "and" } else { "or" };
                    return Err(FilterError::new(text, at..at + 2, format!("write `{word}`, not `{sign}`")));
                }
                sign => (LexemeKind::Sign(sign), sign.len()),
            }
        } else {
            let message = format!("`{}` is not expected here; put text in quotes", c.escape_default());
            return Err(FilterError::new(text, at..at + c.len_utf8(), message));
        };
        tokens.push(Lexeme { kind, at: at..at + length });
        at += length;
    }
    Ok(tokens)
}

/// The text in quotes at the start, and how long it is with them; a backslash takes the next sign as it is.
fn quoted(text: &str, quote: char) -> Option<(String, usize)> {
    let mut found = String::new();
    let mut signs = text.char_indices().skip(1);
    while let Some((at, c)) = signs.next() {
        match c {
            '\\' => found.push(signs.next()?.1),
            c if c == quote => return Some((found, at + c.len_utf8())),
            c => found.push(c),
        }
    }
    None
}
