//! A registry below a folder whose name is not UTF-8: everything works there, and what is printed shows the name as far as
//! text can.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{Answer, Study, finish};

/// A study that lies below a folder named by one byte that no text has.
struct Odd {
    dir: tempfile::TempDir,
}

impl Odd {
    fn new() -> Self {
        let odd = Odd { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(odd.root()).unwrap();
        let from = Study::new();
        for name in ["images", "data.csv", "boxes.csv"] {
            let status = Command::new("cp").arg("-a").arg(from.path(name)).arg(odd.root()).status().unwrap();
            assert!(status.success());
        }
        odd
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join(OsStr::from_bytes(b"\xff"))
    }

    /// Runs `reg` in the folder. `@` in an argument stands for the folder.
    fn reg(&self, arguments: &str) -> Answer {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reg"));
        for word in arguments.split_whitespace() {
            match word.strip_prefix('@') {
                Some(rest) => command.arg(self.root().join(rest.trim_start_matches('/'))),
                None => command.arg(word),
            };
        }
        command.current_dir(self.root()).stdin(Stdio::null());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        finish(command.output(), arguments)
    }

    /// Runs a command for people and for programs; both must succeed.
    fn both(&self, arguments: &str) -> Value {
        let text = self.reg(arguments);
        assert_eq!(text.code, 0, "{arguments}: {text:?}");
        self.json(arguments)
    }

    fn json(&self, arguments: &str) -> Value {
        let answer = self.reg(&format!("--json {arguments}"));
        assert_eq!(answer.code, 0, "--json {arguments}: {answer:?}");
        answer.json()
    }
}

#[test]
fn everything_works_below_a_folder_that_is_not_utf_8() {
    let odd = Odd::new();
    odd.json("init");
    let data = odd.json("ingest images --metadata data.csv --boxes boxes.csv --name tiny");
    assert_eq!(data["images"], 30);
    // By absolute paths, which are not UTF-8.
    odd.both("ingest @images --metadata @data.csv --name again");
    odd.json("split make tiny --folds 2 --name s");
    odd.both("split check s --pixels");
    let run =
        odd.json("train --dataset tiny --split s --model tiny --set epochs=1 --threads 1 --fold 0 --name r");
    assert_eq!(run["cached"], false);
    odd.both("train --dataset tiny --split s --model mlp --set epochs=1 --threads 1 --fold 0 --name m");
    odd.both("eval r --subset val");
    let scored = odd.json("predict r @images/00000001_000.png images/00000002_000.png");
    assert_eq!(scored["images"].as_array().unwrap().len(), 2);
    odd.both("gradcam r @images/00000001_000.png --label Mass -o @map.png");
    assert!(odd.root().join("map.png").is_file());
    odd.both("gradcam r --boxes --subset train");
    odd.both("probe r --target view");
    odd.both("compare r m --name table --svg @figures");
    odd.both("report r m -o @report.html");
    odd.both("export r --format card -o @card.md");
    let network = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/network/presets/tiny.toml");
    fs::copy(network, odd.root().join("own.toml")).unwrap();
    for (number, json) in ["", "--json "].iter().enumerate() {
        for (what, options) in [("csv", "--format csv"), ("checkpoint", "--format checkpoint")] {
            let line = format!("{json}export r {options} -o @{what}-{number}");
            let answer = odd.reg(&line);
            assert_eq!(answer.code, 0, "{line}: {answer:?}");
        }
        for line in [
            format!("{json}dataset export tiny --format parquet -o @data-{number}"),
            format!("{json}dataset export tiny --format croissant -o @croissant-{number}"),
            format!("{json}trace table --format ro-crate -o @crate-{number}"),
            format!("{json}export mlflow @mlflow-{number}"),
            format!("{json}key new -o @k{number}"),
            format!("{json}attest table --key @k{number} -o @statement-{number}.json"),
            format!("{json}audit table -o @bundle-{number}.zip"),
            format!("{json}audit verify @bundle-{number}.zip"),
            format!("{json}audit check-program -o @check-{number}.py"),
            format!("{json}man -o @man-{number}"),
            format!("{json}study init @small-{number}.toml --small --dataset tiny"),
            format!("{json}study run @small-{number}.toml --plan"),
            format!("{json}study status @small-{number}.toml"),
            format!("{json}push @remote-{number}"),
            format!("{json}pull @remote-{number}"),
            format!("{json}doctor --remote @remote-{number}"),
            format!("{json}trace --down @data.csv:1"),
            format!("{json}train --model @own.toml --settings"),
            format!("{json}--registry @.reg list"),
        ] {
            let answer = odd.reg(&line);
            assert_eq!(answer.code, 0, "{line}: {answer:?}");
        }
    }
    // Read as far as the file says something else.
    odd.reg("report @small-0.toml -o @never.html").says(1, &["has no finished run"]);
    odd.reg("train --model @tiny.toml").says(2, &["--dataset"]);
    odd.reg("run --dataset tiny --split s --name p --input odd=@none.bin -- python3 none.py")
        .says(1, &["none.bin"]);
    for line in
        ["list", "log", "show r", "verify", "verify --recompute", "reproduce m", "gc", "reindex", "diff r m"]
    {
        odd.both(line);
    }
    // What lies there under no name of an object is shown, not a reason to fail.
    fs::write(odd.root().join(".reg/objects/stranger"), b"x").unwrap();
    odd.both("verify");
    assert!(odd.reg("doctor").code == 0, "{:?}", odd.reg("doctor"));
    let object = odd.json("show r")["record"]["checkpoint"].as_str().unwrap().to_owned();
    let path = odd.root().join(".reg/objects").join(&object[..2]).join(&object[2..]);
    // A hint names the file as a shell reads it.
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let checked = odd.reg("verify");
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    let hint =
        said.split('`').find(|text| text.starts_with("chmod 444 ")).unwrap_or_else(|| panic!("{said}"));
    let typed = Command::new("bash").args(["-c", hint]).current_dir(odd.root()).status().unwrap();
    assert!(typed.success() && odd.reg("verify").code == 0, "{hint}");
    assert!(Path::new(&odd.root()).join("report.html").is_file());
}
