//! Who may read: whoever knows the token of this server, which only the user who started it has been told.
//!
//! Every account of a machine can reach a port on its loopback interface. So the address that is printed has a random
//! token; the first request with it gets a cookie, and every other request needs the cookie or the token.

use hyper::HeaderMap;
use hyper::header::COOKIE;

use super::ServeError;
use crate::hash::Hash;

/// A random token: 64 hex digits.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// A new token of 256 random bits.
    pub(super) fn new() -> Result<Self, ServeError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|e| ServeError::System(std::io::Error::other(e.to_string())))?;
        Ok(Token(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// The token.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Compares hashes: how long the comparison takes says nothing about the token.
    pub(super) fn is(&self, given: &str) -> bool {
        Hash::of(self.0.as_bytes()) == Hash::of(given.as_bytes())
    }

    /// Whether a request has the cookie with this token. Cookies do not know ports, so the name has it.
    pub(super) fn is_in(&self, headers: &HeaderMap, port: u16) -> bool {
        let name = cookie(port);
        let pairs = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs =
            pairs.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.any(|(key, value)| key == name && self.is(value))
    }

    /// The value of `Set-Cookie`: for this session of the browser, not for scripts, not for other sites.
    pub(super) fn set_cookie(&self, port: u16) -> String {
        format!("{}={}; Path=/; HttpOnly; SameSite=Strict", cookie(port), self.0)
    }
}

fn cookie(port: u16) -> String {
    format!("reg-{port}")
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn only_the_cookie_with_the_token_of_this_port_counts() {
        let (token, other) = (Token::new().unwrap(), Token::new().unwrap());
        assert!(token.as_str().len() == 64 && token.as_str() != other.as_str());
        let has = |cookies: &[String]| {
            let mut headers = HeaderMap::new();
            for one in cookies {
                headers.append(COOKIE, HeaderValue::from_str(one).unwrap());
            }
            token.is_in(&headers, 8477)
        };
        let own = format!("reg-8477={}", token.as_str());
        assert!(
            has(std::slice::from_ref(&own))
                && has(&[format!("a=b; {own}")])
                && has(&["a=b".to_owned(), own.clone()])
        );
        assert!(!has(&[]) && !has(&[format!("reg-8478={}", token.as_str())]));
        assert!(!has(&[format!("reg-8477={}", other.as_str())]) && !has(&["reg-8477=".to_owned()]));
        assert!(!has(&[own[..own.len() - 1].to_owned()]) && !has(&[format!("x{own}")]));
    }
}
