//! Output of commands: text or exactly one JSON document, and an exit code.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::ValueEnum;
use reg::records::NameChange;
use reg::report::{Format, ReportTable, thousands};
use serde::Serialize;
use serde_json::{Value, json};

use super::console::harmless;
pub(crate) use super::console::{NO, tell};
use super::error::Failure;
use super::marks::ResultRemark;

/// `1 image`, `1,024 images`.
pub(crate) fn plural(count: usize, one: &str) -> String {
    format!("{} {one}{}", thousands(count as u64), if count == 1 { "" } else { "s" })
}

/// A number of log entries.
pub(crate) fn entries(count: u64) -> String {
    format!("{} {}", thousands(count), if count == 1 { "entry" } else { "entries" })
}

/// A command's reply.
pub(crate) struct Reply {
    text: Vec<u8>,
    /// The JSON document; `None` if the text itself is the document.
    json: Option<Value>,
    code: u8,
}

impl Reply {
    /// A reply with text for a person and a document for a program.
    pub(crate) fn new(text: impl Into<String>, json: Value) -> Self {
        let mut text = text.into();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        Reply { text: harmless(&text).into_bytes(), json: Some(json), code: 0 }
    }

    /// Bytes that are written unchanged.
    pub(crate) fn raw(bytes: Vec<u8>, json: Value) -> Self {
        Reply { text: bytes, json: Some(json), code: 0 }
    }

    /// A document that is too large for a tree of values.
    pub(crate) fn document(document: &impl Serialize) -> Self {
        let mut text = serde_json::to_vec(document).expect("a document's keys are texts");
        text.push(b'\n');
        Reply { text, json: None, code: 0 }
    }

    /// The same answer with another exit code.
    pub(crate) fn with_code(self, code: u8) -> Self {
        Reply { code, ..self }
    }

    /// The same reply with the note about its record.
    pub(crate) fn with_note(mut self, said: &str, note: Value) -> Self {
        if let Some(Value::Object(document)) = &mut self.json {
            document.insert("note".to_owned(), note);
        }
        self.text.extend_from_slice(harmless(said).as_bytes());
        self
    }

    /// The same reply, with moved names in the document.
    pub(crate) fn with_moves(mut self, moved: Vec<NameChange>) -> Self {
        if let (Some(Value::Object(document)), false) = (&mut self.json, moved.is_empty()) {
            document.insert("moved".to_owned(), json!(moved));
        }
        self
    }

    /// The same reply, with withdrawn data and files of unknown origin in the document.
    pub(crate) fn marked(mut self, remarks: &[ResultRemark]) -> Self {
        let Some(Value::Object(document)) = &mut self.json else { return self };
        let of =
            |remark: &ResultRemark| remark.withdrawn.map(|mark| json!({ "id": remark.id, "uses": mark }));
        let withdrawn: Vec<Value> = remarks.iter().filter_map(of).collect();
        let unknown = remarks.iter().filter(|remark| !remark.files().is_empty());
        let unknown: Vec<Value> =
            unknown.map(|remark| json!({ "id": remark.id, "files": remark.files() })).collect();
        let leaks = remarks.iter().filter(|remark| !remark.leaks.is_empty());
        let leaks: Vec<Value> = leaks.map(|remark| json!({ "id": remark.id, "why": remark.leaks })).collect();
        for (key, list) in [("withdrawn", withdrawn), ("unknown_ancestry", unknown), ("leaks", leaks)] {
            if !list.is_empty() {
                document.insert(key.to_owned(), list.into());
            }
        }
        self
    }

    pub(crate) fn print(self, json: bool) -> ExitCode {
        let bytes = match self.json {
            Some(document) if json => (document.to_string() + "\n").into_bytes(),
            _ => self.text,
        };
        let mut out = io::stdout().lock();
        match out.write_all(&bytes).and_then(|()| out.flush()) {
            Ok(()) => ExitCode::from(self.code),
            // The reader has closed the pipe, as `head` does.
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(self.code),
            Err(e) => not_written(&e),
        }
    }
}

/// Reports that standard output took not everything.
pub(crate) fn not_written(e: &io::Error) -> ExitCode {
    tell(&format!("error: cannot write to standard output: {e}"));
    ExitCode::FAILURE
}

/// Writes a line to standard output at once; says whether somebody still reads it.
pub(crate) fn print_line(line: &str) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{}", harmless(line)).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(e) => Err(Failure::new(format!("cannot write to standard output: {e}"), None)),
    }
}

/// A path in a JSON document, which is text: what is not UTF-8 is shown by replacement characters.
pub(crate) fn in_json(path: &Path) -> String {
    path.display().to_string()
}

/// Writes a requested output file completely or not at all.
pub(crate) fn save(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    Ok(reg::export::save(path, bytes)?)
}

/// Output format of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum TableFormat {
    /// For reading
    #[default]
    Text,
    /// Comma-separated values with every digit
    Csv,
    /// GitHub-flavoured Markdown
    Markdown,
    /// LaTeX that fits a page; its first line names the packages that it needs
    Latex,
}

impl TableFormat {
    /// Formats the tables of a result one after the other, each with its remarks: messages on standard error would not
    /// be in a file.
    pub(crate) fn marked(self, tables: Vec<ReportTable>, remarks: &[ResultRemark]) -> String {
        let last = remarks.last();
        let withdrawn = last.and_then(|remark| remark.withdrawn).map(|mark| mark.to_string());
        let unknown = last.and_then(ResultRemark::unknown).map(str::to_owned);
        let leaks = last.map(|remark| remark.leaks.join("; ")).filter(|leaks| !leaks.is_empty());
        let marked = |table: ReportTable| ReportTable {
            withdrawn: withdrawn.clone(),
            unknown: unknown.clone(),
            // A split has its leaks as a caution.
            warning: table
                .warning
                .clone()
                .or_else(|| leaks.clone().filter(|leaks| table.caution.as_ref() != Some(leaks))),
            ..table
        };
        self.render(&tables.into_iter().map(marked).collect::<Vec<_>>())
    }

    /// Formats tables one after the other.
    pub(crate) fn render(self, tables: &[ReportTable]) -> String {
        let format = match self {
            TableFormat::Text => Format::Text { width: width(), bold: io::stdout().is_terminal() },
            TableFormat::Csv => Format::Csv,
            TableFormat::Markdown => Format::Markdown,
            TableFormat::Latex => Format::Latex,
        };
        reg::report::render(tables, format)
    }
}

/// Text whose lines break between words at the width of the output.
pub(crate) fn paragraphs(text: &str) -> String {
    reg::report::paragraphs(text, width())
}

/// Width of the output: what COLUMNS says, or else the width of the terminal, if standard output is one.
pub(crate) fn width() -> Option<u16> {
    let told = std::env::var("COLUMNS").ok().and_then(|text| text.trim().parse().ok());
    let of_terminal = || {
        let out = io::stdout();
        let size = out.is_terminal().then(|| rustix::termios::tcgetwinsize(out).ok()).flatten();
        size.map(|size| size.ws_col)
    };
    told.filter(|columns| *columns > 0).or_else(of_terminal).filter(|columns| *columns > 0)
}
