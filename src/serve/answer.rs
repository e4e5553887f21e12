//! What a request asks beside its path, and what it gets.

use crate::dataset::formats::ImageFormat;
use crate::report::page::{PageError, served};
use crate::report::svg::escape;

/// A response.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) kind: &'static str,
    pub(super) body: Vec<u8>,
    /// The address of a redirect.
    pub(super) place: Option<String>,
    /// The cookie that the browser sends with every further request.
    pub(super) cookie: Option<String>,
}

impl Answer {
    pub(super) fn new(kind: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Answer { status: 200, kind, body: body.into(), place: None, cookie: None }
    }

    pub(super) fn text(status: u16, text: &str) -> Self {
        Answer { status, ..Answer::new("text/plain; charset=utf-8", format!("{text}\n")) }
    }

    /// A page with a heading.
    pub(super) fn page(title: &str, body: &str) -> Self {
        Answer::new("text/html; charset=utf-8", served(title, body))
    }

    pub(super) fn image(format: ImageFormat, bytes: Vec<u8>) -> Self {
        Answer::new(format.media_type(), bytes)
    }

    pub(super) fn json(bytes: Vec<u8>) -> Self {
        Answer::new("application/json", bytes)
    }

    pub(super) fn see(place: String) -> Self {
        Answer { place: Some(place), ..Answer::text(303, "see there") }
    }
}

/// Why a page cannot be returned.
pub(super) enum Nothing {
    /// Nothing has this id or name.
    Unknown(String),
    /// The page cannot be read or rendered.
    Failed(Box<PageError>),
}

impl<E: Into<PageError>> From<E> for Nothing {
    fn from(e: E) -> Self {
        Nothing::Failed(Box::new(e.into()))
    }
}

/// The query string after the `?`.
pub(super) struct Query<'q>(pub(super) &'q str);

impl Query<'_> {
    /// The value of a key; empty if the key is absent.
    pub(super) fn get(&self, key: &str) -> String {
        let pairs = self.0.split('&').filter_map(|pair| pair.split_once('='));
        let value = pairs.into_iter().find(|(name, _)| *name == key).map_or("", |(_, value)| value);
        decoded(value)
    }

    /// A page's number, from 0; far behind the last page, there is nothing on it.
    pub(super) fn page(&self) -> usize {
        self.get("page").parse::<u32>().unwrap_or(1).max(1) as usize - 1
    }
}

/// Decodes form-encoded text.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hex = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16)).map(|digit| digit as u8);
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => match (hex(rest.next()), hex(rest.next())) {
                (Some(high), Some(low)) => bytes.push(16 * high + low),
                _ => bytes.push(b'?'),
            },
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Encodes a text for the query of a link.
pub(super) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// Links to the previous and next page, if they exist; `link` gives the address of a page by its number from 1.
pub(super) fn leaves(page: usize, pages: usize, link: impl Fn(usize) -> String) -> String {
    if pages < 2 {
        return String::new();
    }
    let to = |n: usize, text: &str| format!("<a href=\"{}\">{text}</a>", escape(&link(n)));
    let before = if page > 0 { to(page, "Previous") } else { String::new() };
    let after = if page + 1 < pages { to(page + 2, "Next") } else { String::new() };
    format!("<p class=\"bar\">{before} Page {} of {pages} {after}</p>", page + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_form_sends_comes_back_as_it_was_typed() {
        for text in ["a b&c=d/é<>\"'", "", "100 %", "..", "+"] {
            assert_eq!(decoded(&encoded(text)), text);
        }
        assert_eq!(decoded("%zz%f"), "??");
        let query = Query("q=a+b&page=3&q=c&x");
        assert_eq!((query.get("q"), query.page(), query.get("x")), ("a b".to_owned(), 2, String::new()));
        assert_eq!(Query(&format!("page={}", u64::MAX)).page(), 0);
        assert_eq!([Query("page=0").page(), Query("page=-1").page(), Query("").page()], [0; 3]);
    }
}
