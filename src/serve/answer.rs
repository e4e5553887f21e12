//! What a request asks beside its path, and what it gets.

use maud::{Markup, html};

use crate::dataset::formats::ImageFormat;
use crate::report::page::{Page, PageError, served};

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

    /// A page; `here` is the address of the part of the registry that it belongs to.
    pub(super) fn page(page: &Page, here: &str) -> Self {
        Answer::new("text/html; charset=utf-8", served(page, here))
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
    /// The value of a key, of several the last: that of the button that sent a form follows those of its fields. Empty
    /// if the key is absent.
    pub(super) fn get(&self, key: &str) -> String {
        self.all(key).pop().unwrap_or_default()
    }

    /// All values of a key that are not empty.
    pub(super) fn all(&self, key: &str) -> Vec<String> {
        let pairs = self.0.split('&').filter_map(|pair| pair.split_once('='));
        let values = pairs.filter(|(name, value)| *name == key && !value.is_empty());
        values.map(|(_, value)| decoded(value)).collect()
    }

    /// The query of a link to the same page with other values of some keys; empty values are left out.
    pub(super) fn with(&self, changed: &[(&str, &str)]) -> String {
        let is_kept = |pair: &&str| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            !value.is_empty() && changed.iter().all(|(key, _)| *key != name)
        };
        let kept = self.0.split('&').filter(is_kept).map(str::to_owned);
        let changed = changed.iter().filter(|(_, value)| !value.is_empty());
        let changed = changed.map(|(key, value)| format!("{key}={}", encoded(value)));
        format!("?{}", kept.chain(changed).collect::<Vec<_>>().join("&"))
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

/// Links to the previous and next page of a list, if they exist.
pub(super) fn leaves(page: usize, pages: usize, query: &Query) -> Markup {
    let to = |n: usize, text: &str| {
        html! { a #{ "page-" (text) } href=(query.with(&[("page", n.to_string().as_str())])) data-live { (text) } }
    };
    html! {
        @if pages > 1 {
            nav.bar aria-label="Pages" {
                @if page > 0 { (to(page, "Previous")) }
                span { "Page " (page + 1) " of " (pages) }
                @if page + 1 < pages { (to(page + 2, "Next")) }
            }
        }
    }
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
        let query = Query("q=c&page=3&q=a+b&x&y=");
        assert_eq!((query.get("q"), query.page(), query.get("x")), ("a b".to_owned(), 2, String::new()));
        assert_eq!((query.all("q"), query.all("y")), (vec!["c".to_owned(), "a b".to_owned()], Vec::new()));
        assert_eq!(query.with(&[("page", "4"), ("z", "")]), "?q=c&q=a+b&page=4");
        assert_eq!(Query(&format!("page={}", u64::MAX)).page(), 0);
        assert_eq!([Query("page=0").page(), Query("page=-1").page(), Query("").page()], [0; 3]);
    }
}
