//! From words to an expression.

use std::ops::Range;

use super::lexer::{Lexeme, LexemeKind, words};
use super::{Compare, Expression, FilterError, Literal, Name};

/// How deep parentheses and `not` may be nested.
const DEEPEST: usize = 64;

pub(super) fn parse(text: &str) -> Result<Expression, FilterError> {
    let mut parser = Parser { text, tokens: words(text)?, next: 0 };
    if parser.tokens.is_empty() {
        return Err(parser.error(0..0, "the expression is empty; write one such as `model=tiny`"));
    }
    let expression = parser.either(0)?;
    match parser.peek() {
        None => Ok(expression),
        Some(token) if token.kind == LexemeKind::Sign(")") => {
            Err(parser.error(token.at.clone(), "this parenthesis was not opened"))
        }
        Some(token) => Err(parser.error(token.at.clone(), "`and` or `or` is expected here")),
    }
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<Lexeme<'t>>,
    next: usize,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> Option<&Lexeme<'t>> {
        self.tokens.get(self.next)
    }

    fn take(&mut self) -> Option<Lexeme<'t>> {
        let token = self.tokens.get(self.next).cloned();
        self.next += usize::from(token.is_some());
        token
    }

    fn take_if(&mut self, kind: &LexemeKind) -> bool {
        let found = self.peek().is_some_and(|token| token.kind == *kind);
        self.next += usize::from(found);
        found
    }

    /// Whether the next word is this one, in upper or lower case.
    fn is_word(&self, word: &str) -> bool {
        let next = self.peek().map(|token| &token.kind);
        matches!(next, Some(LexemeKind::Word(found)) if found.eq_ignore_ascii_case(word))
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        self.next += usize::from(found);
        found
    }

    fn error(&self, at: Range<usize>, message: impl Into<String>) -> FilterError {
        FilterError::new(self.text, at, message)
    }

    /// Where the expression ends.
    fn end(&self) -> Range<usize> {
        self.text.trim_end().len()..self.text.trim_end().len()
    }

    fn expected(&self, what: &str) -> FilterError {
        let at = self.peek().map_or_else(|| self.end(), |token| token.at.clone());
        let here = if self.peek().is_some() { "here" } else { "at the end" };
        self.error(at, format!("{what} is expected {here}"))
    }

    fn either(&mut self, depth: usize) -> Result<Expression, FilterError> {
        let mut parts = vec![self.both(depth)?];
        while self.take_word("or") {
            parts.push(self.both(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::Any(parts) })
    }

    fn both(&mut self, depth: usize) -> Result<Expression, FilterError> {
        let mut parts = vec![self.single(depth)?];
        while self.take_word("and") {
            parts.push(self.single(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::All(parts) })
    }

    fn single(&mut self, depth: usize) -> Result<Expression, FilterError> {
        if depth == DEEPEST {
            let at = self.peek().map_or_else(|| self.end(), |token| token.at.clone());
            return Err(self.error(at, format!("parentheses are nested more than {DEEPEST} deep")));
        }
        if self.take_word("not") {
            return Ok(Expression::Not(Box::new(self.single(depth + 1)?)));
        }
        let open = self.peek().map(|token| token.at.clone());
        if self.take_if(&LexemeKind::Sign("(")) {
            let inner = self.either(depth + 1)?;
            if !self.take_if(&LexemeKind::Sign(")")) {
                return Err(match (self.peek(), open) {
                    (None, Some(open)) => self.error(open, "this parenthesis is not closed"),
                    _ => self.expected("`and`, `or` or `)`"),
                });
            }
            return Ok(inner);
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Expression, FilterError> {
        let name = match self.peek().map(|token| &token.kind) {
            Some(LexemeKind::Word(word)) if !["and", "or", "in"].iter().any(|own| self.is_word(own)) => {
                (*word).to_owned()
            }
            _ => return Err(self.expected("the name of a value")),
        };
        let at = self.take().map(|token| token.at).unwrap_or_else(|| self.end());
        let name = Name { text: name, at };
        let negated_in = self.is_word("not");
        if negated_in {
            self.next += 1;
        }
        if self.take_word("in") {
            let list = Expression::Compare { name, compare: Compare::In, values: self.list()? };
            return Ok(if negated_in { Expression::Not(Box::new(list)) } else { list });
        }
        if negated_in {
            return Err(self.expected("`in`"));
        }
        let sign = match self.peek().map(|token| &token.kind) {
            Some(LexemeKind::Sign(sign)) if !["(", ")", ","].contains(sign) => *sign,
            _ => return Err(self.expected("one of = != < <= > >= ~ !~ in")),
        };
        self.next += 1;
        let (compare, negated) = match sign {
            "!=" => (Compare::In, true),
            "<" => (Compare::Less, false),
            "<=" => (Compare::LessOrEqual, false),
            ">" => (Compare::Greater, false),
            ">=" => (Compare::GreaterOrEqual, false),
            "~" => (Compare::Contains, false),
            "!~" => (Compare::Contains, true),
            _ => (Compare::In, false),
        };
        let value = self.value()?;
        if value.missing && compare != Compare::In {
            return Err(self.error(value.at, "`missing` can only be compared with = or !="));
        }
        let comparison = Expression::Compare { name, compare, values: vec![value] };
        Ok(if negated { Expression::Not(Box::new(comparison)) } else { comparison })
    }

    fn list(&mut self) -> Result<Vec<Literal>, FilterError> {
        if !self.take_if(&LexemeKind::Sign("(")) {
            return Err(self.expected("a list in parentheses, such as (1,2),"));
        }
        let mut values = vec![self.value()?];
        while self.take_if(&LexemeKind::Sign(",")) {
            values.push(self.value()?);
        }
        match self.take_if(&LexemeKind::Sign(")")) {
            true => Ok(values),
            false => Err(self.expected("`,` or `)`")),
        }
    }

    fn value(&mut self) -> Result<Literal, FilterError> {
        match self.peek().map(|token| (token.kind.clone(), token.at.clone())) {
            Some((LexemeKind::Word(word), at)) => {
                self.next += 1;
                let number = word.parse().ok().filter(|number: &f64| number.is_finite());
                Ok(Literal { text: word.to_owned(), number, missing: word == "missing", at })
            }
            Some((LexemeKind::Quoted(text), at)) => {
                self.next += 1;
                Ok(Literal { text, number: None, missing: false, at })
            }
            _ => Err(self.expected("a value")),
        }
    }
}
