//! Expressions that choose rows of a list: `model=tiny and lr<0.01 and (seed in (1,2) or not state=failed)`.
//!
//! One grammar wherever something is chosen by `--where`. Pure: it knows names and values, no record, no registry and
//! no terminal.
//!
//! ```text
//! either     = both { "or" both }
//! both       = single { "and" single }
//! single     = "not" single | "(" either ")" | name compare value | name [ "not" ] "in" "(" value { "," value } ")"
//! compare    = "=" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~"
//! value      = a number, a word, or text in "double" or 'single' quotes
//! ```
//!
//! `and`, `or`, `not` and `in` may be in upper case. An id and a time are equal to what they begin with.
//!
//! `~` asks whether a text contains another, upper and lower case being the same. A missing value is neither equal to
//! anything nor smaller nor larger; `note=missing` and `note!=missing` ask for it. `!=`, `!~` and `not in` are the
//! opposite of `=`, `~` and `in`, also for missing values.

mod evaluate;
mod lexer;
mod parser;
#[cfg(test)]
mod tests;

use std::ops::Range;

pub use evaluate::{FieldType, FieldValue};

/// Longest expression, in bytes.
const LONGEST: usize = 10_000;

/// An expression that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    text: String,
    expression: Expression,
    /// The names of ids and times, as [`Filter::check`] found them: they are equal to what they begin with.
    begun: Vec<String>,
}

/// A part of an expression.
#[derive(Debug, Clone, PartialEq)]
enum Expression {
    Any(Vec<Expression>),
    All(Vec<Expression>),
    Not(Box<Expression>),
    Compare { name: Name, compare: Compare, values: Vec<Literal> },
}

/// A name, and where it stands.
#[derive(Debug, Clone, PartialEq)]
struct Name {
    text: String,
    at: Range<usize>,
}

/// How a value is compared. The opposites are a `Not`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    /// Equal to one of several.
    In,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
}

/// A value in an expression, and where it stands.
#[derive(Debug, Clone, PartialEq)]
struct Literal {
    text: String,
    /// What it is as a number; none for text in quotes and for words.
    number: Option<f64>,
    /// The word `missing`, not in quotes.
    missing: bool,
    at: Range<usize>,
}

/// What is wrong with an expression, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    text: String,
    at: Range<usize>,
    message: String,
}

impl FilterError {
    fn new(text: &str, at: Range<usize>, message: impl Into<String>) -> Self {
        FilterError { text: text.to_owned(), at, message: message.into() }
    }

    /// What is wrong, in one sentence.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The expression, and below it carets under the place that is wrong.
    pub fn excerpt(&self) -> String {
        let shown = |text: &str| text.replace(|c: char| c.is_control(), " ");
        let before = self.text[..self.at.start].chars().count();
        let marked = self.text[self.at.clone()].chars().count().max(1);
        format!("{}\n{}{}", shown(&self.text), " ".repeat(before), "^".repeat(marked))
    }
}

impl std::fmt::Display for FilterError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.message)?;
        self.excerpt().lines().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl std::error::Error for FilterError {}

impl Filter {
    /// Reads an expression.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Filter, FilterError> {
        if text.len() > LONGEST {
            return Err(FilterError::new("…", 0..0, format!("an expression has at most {LONGEST} bytes")));
        }
        Ok(Filter { text: text.to_owned(), expression: parser::parse(text)?, begun: Vec::new() })
    }

    /// The names in the expression, in their order, each once.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        self.expression
            .each(&mut |name, _, _| {
                if !names.contains(&name.text.as_str()) {
                    names.push(&name.text);
                }
                Ok(())
            })
            .expect("nothing is refused");
        names
    }

    /// Asserts that each name is known, and that its values can be what it is compared with: numbers, ids, times and the
    /// words of a name that has no others.
    ///
    /// `field` gives the type of what a name stands for, and for an unknown name the names that it may be meant to
    /// be.
    ///
    /// # Errors
    /// The first name or value that does not fit.
    pub fn check(
        &mut self,
        field: impl Fn(&str) -> Result<FieldType, Vec<String>>,
    ) -> Result<(), FilterError> {
        let mut begun = Vec::new();
        self.expression.each(&mut |name, compare, values| {
            let error =
                |at: &Range<usize>, message: String| Err(FilterError::new(&self.text, at.clone(), message));
            let kind = match field(&name.text) {
                Ok(kind) => kind,
                Err(meant) if meant.is_empty() => {
                    return error(&name.at, format!("nothing listed has a value named `{}`", name.text));
                }
                Err(meant) => {
                    let or = meant.join("`, `");
                    return error(&name.at, format!("no value is named `{}`; there is `{or}`", name.text));
                }
            };
            if kind == FieldType::Number {
                if compare == Compare::Contains {
                    let message = format!("`{}` is a number, and only text can contain something", name.text);
                    return error(&name.at, message);
                }
                if let Some(text) = values.iter().find(|value| value.number.is_none() && !value.missing) {
                    let message = format!("`{}` is a number, but `{}` is not", name.text, text.text);
                    return error(&text.at, message);
                }
            }
            if matches!(kind, FieldType::Id | FieldType::Time) {
                begun.push(name.text.clone());
            }
            let equality = compare == Compare::In;
            for value in values.iter().filter(|value| !value.missing && compare != Compare::Contains) {
                let wrong = match kind {
                    FieldType::Id if equality && !is_begin_of_id(&value.text) => {
                        format!(
                            "is not an id: an id has from {SHORTEST_ID} to 64 of the digits 0 to 9 and a to f"
                        )
                    }
                    FieldType::Time if !is_begin_of_time(&value.text) => {
                        "is not a time: write 2026-11-30 or \"2026-11-30 08:15\"".to_owned()
                    }
                    FieldType::Word(words) if equality && !words.contains(&value.text.as_str()) => {
                        format!("is not one of its values: {}", words.join(", "))
                    }
                    _ => continue,
                };
                return error(
                    &value.at,
                    format!("`{}` cannot be `{}`, which {wrong}", name.text, value.text),
                );
            }
            Ok(())
        })?;
        self.begun = begun;
        Ok(())
    }
}

/// Fewest digits by which an id is known.
const SHORTEST_ID: usize = 6;

fn is_begin_of_id(text: &str) -> bool {
    (SHORTEST_ID..=64).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a time of RFC 3339, or one as lists show it, may begin like this: a year at least.
fn is_begin_of_time(text: &str) -> bool {
    const PATTERN: &[u8] = b"0000-00-00T00:00:00";
    let text = text.strip_suffix('Z').unwrap_or(text).as_bytes();
    let fits = |(own, pattern): (&u8, &u8)| match pattern {
        b'0' => own.is_ascii_digit(),
        b'T' => [b'T', b' '].contains(own),
        sign => own == sign,
    };
    (4..=PATTERN.len()).contains(&text.len()) && text.iter().zip(PATTERN).all(fits)
}

impl Expression {
    /// Visits each comparison.
    fn each<'e>(
        &'e self,
        visit: &mut impl FnMut(&'e Name, Compare, &'e [Literal]) -> Result<(), FilterError>,
    ) -> Result<(), FilterError> {
        match self {
            Expression::Any(parts) | Expression::All(parts) => {
                parts.iter().try_for_each(|part| part.each(visit))
            }
            Expression::Not(part) => part.each(visit),
            Expression::Compare { name, compare, values } => visit(name, *compare, values),
        }
    }
}
