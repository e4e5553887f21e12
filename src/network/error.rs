//! What is wrong with a network, and what can stand in its place.

/// A field of an architecture that is out of range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}`{place} cannot be {value}: {reason}")]
pub struct NetworkError {
    field: String,
    place: String,
    value: String,
    reason: String,
    instead: Box<[(String, String)]>,
}

impl NetworkError {
    pub(super) fn new(field: &str, value: impl ToString, reason: impl Into<String>) -> Self {
        let (value, reason) = (value.to_string(), reason.into());
        NetworkError { field: field.to_owned(), place: String::new(), value, reason, instead: Box::default() }
    }

    /// The same of a layer.
    pub(super) fn at(self, layer: String) -> Self {
        NetworkError { place: format!(" of {layer}"), ..self }
    }

    /// The same with values of fields that are possible.
    pub(super) fn instead(self, fields: &[(&str, String)]) -> Self {
        let instead = fields.iter().map(|(field, value)| ((*field).to_owned(), value.clone())).collect();
        NetworkError { instead, ..self }
    }

    /// The same with an example of the field, which is one of a layer.
    pub(super) fn exemplified(self) -> Self {
        let field = self.field.clone();
        match if field == "channels" { Some("64") } else { example(&field) } {
            Some(value) => self.instead(&[(&field, value.to_owned())]),
            None => self,
        }
    }

    /// The field.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// Fields with values, as in TOML, that are possible in the place of what is wrong; empty where there is no telling.
    pub fn possible(&self) -> &[(String, String)] {
        &self.instead
    }
}

/// A value of a field that is possible in most places, as in TOML.
fn example(field: &str) -> Option<&'static str> {
    Some(match field {
        "head" => "\"fc\"",
        "layers" => "[{ layer = \"dense\", name = \"hidden\", hidden = [64] }]",
        "name" => "\"first\"",
        "norm" => "\"first_norm\"",
        "block" => "\"basic\"",
        "hidden" => "[64]",
        "widths" => "[16]",
        // Of an image; and a layer may have as few.
        "channels" => "3",
        "planes" => "64",
        "kernel" => "3",
        "stride" | "padding" => "1",
        "blocks" => "2",
        "depth" => "6",
        "growth" => "32",
        "bottleneck" => "4",
        "input" => "224",
        "resize" => "256",
        "mean" => "[0.5, 0.5, 0.5]",
        "std" => "[0.25, 0.25, 0.25]",
        _ => return None,
    })
}

/// A file that describes no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct NetworkFileError {
    reason: String,
    /// What can be written.
    pub hint: Option<String>,
}

impl NetworkFileError {
    /// A text that is not TOML, or has other fields.
    pub(super) fn of_toml(e: &toml::de::Error) -> Self {
        NetworkFileError { reason: e.to_string().trim_end().to_owned(), hint: hint(e.message()) }
    }
}

impl From<NetworkError> for NetworkFileError {
    fn from(e: NetworkError) -> Self {
        let fields: Vec<String> =
            e.possible().iter().map(|(field, value)| format!("`{field} = {value}`")).collect();
        let hint = match e.possible() {
            [] => None,
            // A table of its own is easily put into another one.
            [(field, _)] if field == "image" => Some(format!("add {} at the top", fields[0])),
            _ => Some(format!("write {}", fields.join(" and "))),
        };
        NetworkFileError { reason: e.to_string(), hint }
    }
}

/// What a parser's message calls for: a field that is missing, or the name that comes closest to an unknown one.
fn hint(message: &str) -> Option<String> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let first = quoted.next()?;
    if message.starts_with("missing field") {
        return example(first).map(|value| format!("add `{first} = {value}`"));
    }
    if !message.starts_with("unknown ") {
        return None;
    }
    let scored = quoted.map(|known| (strsim::jaro_winkler(first, known), known));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    Some(format!("write `{}` for `{first}`", best.1))
}

#[cfg(test)]
mod tests;
