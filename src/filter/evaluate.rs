//! Whether a row is chosen.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::{Compare, Expression, Filter, Literal};

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldValue<'v> {
    /// A number.
    Number(f64),
    /// Text.
    Text(Cow<'v, str>),
    /// Nothing: the row has no such value, or it is undefined.
    Missing,
}

/// What values of a name are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    /// Numbers.
    Number,
    /// Text, or text in some rows and numbers in others.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Ids, which their first digits stand for.
    Id,
    /// Times of RFC 3339, which a year, a month, a day or a minute may stand for.
    Time,
}

impl<'v> FieldValue<'v> {
    /// A text.
    pub fn text(text: impl Into<Cow<'v, str>>) -> Self {
        FieldValue::Text(text.into())
    }

    /// A number, or a missing value.
    pub fn number(number: Option<f64>) -> Self {
        number.map_or(FieldValue::Missing, FieldValue::Number)
    }

    /// Numbers before text, each ascending; missing values last.
    pub fn order(&self, other: &Self) -> Ordering {
        match (self, other) {
            (FieldValue::Number(a), FieldValue::Number(b)) => a.total_cmp(b),
            (FieldValue::Text(a), FieldValue::Text(b)) => a.cmp(b),
            (a, b) => a.rank().cmp(&b.rank()),
        }
    }

    /// Whether it is missing.
    pub fn is_missing(&self) -> bool {
        *self == FieldValue::Missing
    }

    fn rank(&self) -> u8 {
        match self {
            FieldValue::Number(_) => 0,
            FieldValue::Text(_) => 1,
            FieldValue::Missing => 2,
        }
    }

    /// How it compares with a value of an expression; none if the two cannot be compared.
    fn compare(&self, literal: &Literal) -> Option<Ordering> {
        match self {
            FieldValue::Missing => None,
            FieldValue::Number(number) => number.partial_cmp(&literal.number?),
            FieldValue::Text(text) => Some((**text).cmp(&literal.text)),
        }
    }

    /// Whether it begins like a value of an expression; lists show a time with a space.
    fn begins(&self, literal: &Literal) -> bool {
        match self {
            FieldValue::Text(text) => text.starts_with(&literal.text.replacen(' ', "T", 1)),
            FieldValue::Number(_) | FieldValue::Missing => false,
        }
    }

    fn equals(&self, literal: &Literal) -> bool {
        match literal.missing {
            // A value may be that word, too.
            true => self.is_missing() || self.compare(literal) == Some(Ordering::Equal),
            false => self.compare(literal) == Some(Ordering::Equal),
        }
    }
}

impl Filter {
    /// Whether a row is chosen; `value` gives its value of a name.
    pub fn chooses<'v>(&self, value: impl Fn(&str) -> FieldValue<'v>) -> bool {
        holds(&self.expression, &self.begun, &value)
    }
}

fn holds<'v>(expression: &Expression, begun: &[String], value: &dyn Fn(&str) -> FieldValue<'v>) -> bool {
    match expression {
        Expression::Any(parts) => parts.iter().any(|part| holds(part, begun, value)),
        Expression::All(parts) => parts.iter().all(|part| holds(part, begun, value)),
        Expression::Not(part) => !holds(part, begun, value),
        Expression::Compare { name, compare, values } => {
            let found = value(&name.text);
            values.iter().any(|literal| match compare {
                Compare::In => found.equals(literal) || begun.contains(&name.text) && found.begins(literal),
                Compare::Less => found.compare(literal).is_some_and(Ordering::is_lt),
                Compare::LessOrEqual => found.compare(literal).is_some_and(Ordering::is_le),
                Compare::Greater => found.compare(literal).is_some_and(Ordering::is_gt),
                Compare::GreaterOrEqual => found.compare(literal).is_some_and(Ordering::is_ge),
                Compare::Contains => match &found {
                    FieldValue::Text(text) => text.to_lowercase().contains(&literal.text.to_lowercase()),
                    FieldValue::Number(_) | FieldValue::Missing => false,
                },
            })
        }
    }
}
