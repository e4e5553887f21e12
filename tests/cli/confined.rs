//! `reg run`: nothing leads into a program or out of it but what records name.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::programs::{TRAIN, python, with_program};

#[test]
fn nothing_leads_into_a_program_or_out_of_it_but_what_records_name() {
    let study = with_program();
    let metadata = study.path("data.csv");
    fs::set_permissions(&metadata, fs::Permissions::from_mode(0o600)).unwrap();
    let before = fs::metadata(&metadata).unwrap().modified().unwrap();
    let left = format!("/dev/shm/reg-test-{}", std::process::id());
    let probe = format!(
        "import ctypes, os\n\
         for fd in os.listdir('/proc/self/fd'):\n    \
         try:\n        name = os.readlink('/proc/self/fd/' + fd)\n    except OSError:\n        continue\n    \
         if name.endswith('data.csv'):\n        raise SystemExit('was given ' + name)\n\
         os.chmod({metadata:?}, 0o666)\nos.utime({metadata:?}, (1, 1))\n\
         try:\n    open({left:?}, 'w').write('memo')\nexcept OSError:\n    pass\n\
         if ctypes.CDLL(None).shmget(4711, 100, 0o1666) >= 0:\n    raise SystemExit('has memory that outlives it')\n"
    );
    python(&study, "probe.py", &format!("{probe}{TRAIN}"));
    let inner = study.command("--json run --dataset tiny --split s --name theirs -- python3 probe.py");
    let mut outer = std::process::Command::new("sh");
    outer
        .args(["-c", "exec 9<data.csv && exec \"$@\"", "sh"])
        .arg(inner.get_program())
        .args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    let output = outer.current_dir(inner.get_current_dir().unwrap()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let after = fs::metadata(&metadata).unwrap();
    assert_eq!((after.permissions().mode() & 0o777, after.modified().unwrap()), (0o600, before));
    assert!(!std::path::Path::new(&left).exists());
}

#[test]
fn settings_of_a_repository_start_no_program() {
    let study = with_program();
    fs::create_dir(study.path("src")).unwrap();
    python(&study, "src/train.py", TRAIN);
    let git = |arguments: &[&str]| {
        let mut command = std::process::Command::new("git");
        let own = ["-c", "user.name=a", "-c", "user.email=a@b", "-C", "src"];
        let output = command.args(own).args(arguments).current_dir(study.path(".")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "first"]);
    let (marker, script) = (study.path("started"), study.path("script.sh"));
    fs::write(&script, format!("#!/bin/sh\necho \"$0\" >> {:?}\ncat\n", marker.display().to_string()))
        .unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let script = script.display().to_string();
    for key in ["core.fsmonitor", "filter.x.clean", "filter.x.process"] {
        git(&["config", key, &script]);
    }
    fs::write(study.path("src/.git/info/attributes"), "* filter=x\n").unwrap();
    fs::create_dir_all(study.path("src/.git/hooks")).unwrap();
    fs::copy(&script, study.path("src/.git/hooks/post-index-change")).unwrap();
    python(&study, "src/train.py", &format!("{TRAIN}\n# changed\n"));
    study.ok("run --dataset tiny --split s --name theirs --source src -- python3 train.py");
    assert!(study.ok("show theirs").contains("git:"));
    assert!(!marker.exists(), "{}", fs::read_to_string(&marker).unwrap());
}

#[test]
fn whatever_a_run_left_is_known_when_another_is_given_it() {
    let study = with_program();
    let remember = "import os\nopen(os.environ['REG_OUT'] + '/memo.json', 'w').write(open(os.environ['REG_JOB']).read())\n";
    python(&study, "remember.py", &format!("{remember}{TRAIN}"));
    let first = study.json("run --dataset tiny --split s --fold 1 --name first -- python3 remember.py");
    let files = first["files"].as_array().unwrap();
    let memo = files.iter().find(|file| file["name"] == "memo.json").unwrap();
    fs::write(study.path("memo.json"), study.ok(&format!("cat {}", memo["object"].as_str().unwrap())))
        .unwrap();
    let run = "run --dataset tiny --split s --fold 0 --name second --input m=memo.json -- python3 train.py";
    let second = study.json(run);
    assert!(!second["unfair"].as_array().unwrap().is_empty(), "{second}");
    study.refused(3, "compare second", &["was trained or selected on"]);
    assert!(study.ok("trace second").contains("first"));
    study.refused(1, "rm first", &["second"]);
    study.ok("audit second -o second.zip");
    study.ok("audit verify second.zip");
}
