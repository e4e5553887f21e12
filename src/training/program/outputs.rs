//! What a program left in its folder: checkpoint, epochs, scores and further files, each checked before it is registered.

use serde::Deserialize;

use super::error::ProgramError;
use super::error::SCORE_FILES;
use crate::digits::thousands;
use crate::disk::Dir;
use crate::hash::Hash;
use crate::limits;
use crate::records::{RecordedEpoch, is_plain_name};

/// The file of epochs.
pub const EPOCHS: &str = "epochs.jsonl";
/// How the file of weights begins.
const CHECKPOINT: &str = "checkpoint.";

/// The files that a program left, by name, ascending.
#[derive(Debug, Default)]
pub(super) struct ProgramOutputs {
    /// The weights.
    pub(super) checkpoint: Option<String>,
    /// Whether there are epochs.
    pub(super) has_epochs: bool,
    /// The scores.
    pub(super) scores: String,
    /// All other files.
    pub(super) others: Vec<String>,
    /// Folders and hidden files, which are not registered.
    pub(super) ignored: Vec<String>,
}

impl ProgramOutputs {
    /// Lists the files in a folder.
    pub(super) fn list(dir: &Dir) -> Result<Self, ProgramError> {
        let entries = dir.entries().map_err(|e| ProgramError::io(dir.path(), &e))?;
        let mut found = ProgramOutputs::default();
        let mut scores = Vec::new();
        for (name, is_dir) in entries {
            let name = name
                .into_string()
                .map_err(|name| ProgramError::output(&name.to_string_lossy(), "its name is not UTF-8"))?;
            if is_dir || name.starts_with('.') {
                found.ignored.push(name);
                continue;
            }
            if !is_plain_name(&name) || name.parse::<Hash>().is_ok() {
                return Err(ProgramError::output(
                    &name.escape_debug().to_string(),
                    "its name is not a plain file name",
                ));
            }
            let stat = dir.stat(&name).map_err(|e| ProgramError::io(&dir.path_of(&name), &e))?;
            if !stat.is_file() {
                return Err(ProgramError::output(
                    &name,
                    "it is a link or a device: only plain files are registered",
                ));
            }
            if stat.len() > limits::PROGRAM_OUTPUT {
                let most = thousands(limits::PROGRAM_OUTPUT);
                return Err(ProgramError::output(&name, format!("it is longer than {most} bytes")));
            }
            if name == EPOCHS {
                found.has_epochs = true;
            } else if name.starts_with(CHECKPOINT) {
                if let Some(other) = found.checkpoint.replace(name.clone()) {
                    return Err(ProgramError::output(
                        &name,
                        format!("it left {other} as well: keep one checkpoint"),
                    ));
                }
            } else if SCORE_FILES.contains(&name.as_str()) {
                scores.push(name);
            } else if name.starts_with("scores.") {
                let reason = format!("scores are read from {}", SCORE_FILES.join(" or "));
                return Err(ProgramError::output(&name, reason));
            } else {
                found.others.push(name);
            }
        }
        if found.others.len() > limits::PROGRAM_OUTPUTS {
            let (count, most) = (thousands(found.others.len() as u64), limits::PROGRAM_OUTPUTS);
            let reason =
                format!("it is one of {count} files, and at most {} are registered", thousands(most as u64));
            return Err(ProgramError::output(&found.others[0], reason));
        }
        scores.sort();
        match &scores[..] {
            [] => return Err(ProgramError::NoScores),
            [only] => found.scores = only.clone(),
            [one, other, ..] => {
                return Err(ProgramError::output(
                    one,
                    format!("it left {other} as well: keep one file of scores"),
                ));
            }
        }
        found.others.sort();
        found.ignored.sort();
        Ok(found)
    }
}

/// A line of `epochs.jsonl`; other keys are the program's own.
#[derive(Deserialize)]
struct EpochLine {
    epoch: u32,
    #[serde(default)]
    lr: Option<f64>,
    #[serde(default)]
    train_loss: Option<f64>,
    #[serde(default)]
    val_loss: Option<f64>,
    #[serde(default)]
    val_auc: Option<f64>,
    #[serde(default)]
    val_auc_labels: Option<u32>,
}

/// Reads the epochs of a program: one JSON object a line, epochs from 1, ascending.
///
/// # Errors
/// In words: the line, and what is wrong with it.
pub fn parse_epochs(text: &[u8]) -> Result<Vec<RecordedEpoch>, String> {
    let mut epochs: Vec<RecordedEpoch> = Vec::new();
    let mut best = f64::INFINITY;
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let line: EpochLine = serde_json::from_slice(line).map_err(|e| match unfinite(line) {
            // As Python's json.dumps writes it.
            Some(word) => format!(
                "its line {number} has {word}, which is not valid JSON: leave the key out, or write null"
            ),
            // Its own number of the line is always 1.
            None => {
                let reason = e.to_string();
                let reason = reason.split(" at line ").next().unwrap_or_default();
                format!("its line {number}, column {}: {reason}", e.column())
            }
        })?;
        if line.epoch == 0 {
            return Err(format!("its line {number}: epochs are counted from 1"));
        }
        if epochs.last().is_some_and(|before| before.epoch >= line.epoch) {
            return Err(format!(
                "its line {number}: epoch {} is not greater than the previous epoch",
                line.epoch
            ));
        }
        if line.val_auc.is_some_and(|auc| !(0.0..=1.0).contains(&auc)) {
            return Err(format!("its line {number}: val_auc is not between 0 and 1"));
        }
        let improved = line.val_loss.is_some_and(|loss| loss < best);
        best = line.val_loss.filter(|_| improved).unwrap_or(best);
        epochs.push(RecordedEpoch {
            epoch: line.epoch,
            lr: line.lr,
            train_loss: line.train_loss,
            val_loss: line.val_loss,
            val_auc: line.val_auc,
            val_auc_labels: line.val_auc_labels,
            improved,
        });
    }
    Ok(epochs)
}

/// The first word of a line for a number that is not finite.
fn unfinite(line: &[u8]) -> Option<&'static str> {
    let line = String::from_utf8_lossy(line);
    let mut words = line.split(|c: char| !c.is_ascii_alphabetic());
    words.find_map(|word| ["NaN", "Infinity"].into_iter().find(|known| word == *known))
}

/// The epochs as a log.
pub fn log(epochs: &[RecordedEpoch]) -> Vec<u8> {
    let lines =
        epochs.iter().map(|epoch| serde_json::to_string(epoch).expect("numbers have a JSON form") + "\n");
    lines.collect::<String>().into_bytes()
}

/// The epochs of a recorded log, which must be as [`log`] writes them.
pub fn parse_log(bytes: &[u8]) -> Result<Vec<RecordedEpoch>, String> {
    let epochs = parse_epochs(bytes)?;
    if log(&epochs) == bytes { Ok(epochs) } else { Err("it is not as reg writes it".to_owned()) }
}

/// The epoch with the lowest validation loss.
pub fn best_epoch(epochs: &[RecordedEpoch]) -> Option<&RecordedEpoch> {
    epochs.iter().rev().find(|epoch| epoch.improved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_are_read_strictly_and_written_in_one_form() {
        let text = b"{\"epoch\":1,\"val_loss\":0.5,\"mine\":[1]}\n\n{\"epoch\":3,\"train_loss\":0.25,\"val_loss\":0.75}\n";
        let epochs = parse_epochs(text).unwrap();
        assert_eq!(epochs.iter().map(|epoch| epoch.improved).collect::<Vec<_>>(), [true, false]);
        assert_eq!(best_epoch(&epochs).unwrap().epoch, 1);
        assert_eq!(parse_log(&log(&epochs)).unwrap(), epochs);
        assert_eq!(parse_log(text).unwrap_err(), "it is not as reg writes it");
        for (text, reason) in [
            ("{\"epoch\":1}\n{\"epoch\":1}", "its line 2: epoch 1 is not greater than the previous epoch"),
            ("{\"epoch\":1,\"val_auc\":1.5}", "its line 1: val_auc is not between 0 and 1"),
            ("{\"epoch\":0}", "its line 1: epochs are counted from 1"),
        ] {
            assert_eq!(parse_epochs(text.as_bytes()).unwrap_err(), reason);
        }
        for word in ["NaN", "Infinity"] {
            let line = format!("{{\"epoch\":1,\"val_loss\":{word}}}");
            let reason = parse_epochs(line.as_bytes()).unwrap_err();
            assert!(
                reason.starts_with(&format!("its line 1 has {word}, which is not valid JSON")),
                "{reason}"
            );
        }
    }
}
