//! A study on a real Slurm of one machine: submitted, watched, a task killed and queued again, one at its limit,
//! one that fails.
//!
//! Debian's slurmctld, slurmd and munge are started for this test alone, with a configuration, ports, state and
//! a key of their own, and stopped at its end. That needs root.

#[allow(dead_code)]
#[path = "cli/harness.rs"]
mod harness;
#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use harness::{Answer, INGEST, Study, finish};
use serde_json::{Value, json};

/// Far longer than any test here takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// munged, slurmctld and slurmd.
struct Cluster {
    dir: tempfile::TempDir,
}

impl Cluster {
    fn start() -> Self {
        let cluster = Cluster { dir: tempfile::tempdir().unwrap() };
        let at = |name: &str| cluster.path(name).display().to_string();
        let text: String =
            (0..64).map(|i| format!("{:08x}", std::process::id().wrapping_mul(i * 2_654_435 + 1))).collect();
        fs::write(cluster.path("munge.key"), text).unwrap();
        fs::set_permissions(cluster.path("munge.key"), fs::Permissions::from_mode(0o600)).unwrap();
        for folder in ["state", "spool"] {
            fs::create_dir(cluster.path(folder)).unwrap();
        }
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let conf = format!(
            "ClusterName=test\nSlurmctldHost={host}(127.0.0.1)\nSlurmctldPort={}\nSlurmdPort={}\nSlurmUser=root\n\
             AuthType=auth/munge\nAuthInfo=socket={},cred_expire=2\nStateSaveLocation={}\nSlurmdSpoolDir={}\n\
             SlurmctldPidFile={}\nSlurmdPidFile={}\nSlurmctldLogFile={}\nSlurmdLogFile={}\n\
             ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nSelectType=select/cons_tres\n\
             SelectTypeParameters=CR_Core\nReturnToService=2\nMpiDefault=none\n\
             SlurmdParameters=config_overrides\nSchedulerParameters=bf_interval=1,sched_interval=1\n\
             NodeName={host} NodeAddr=127.0.0.1 CPUs=3 RealMemory=3000 State=UNKNOWN\n\
             PartitionName=main Nodes=ALL Default=YES State=UP\n",
            free_port(),
            free_port(),
            at("munge.socket"),
            at("state"),
            at("spool"),
            at("slurmctld.pid"),
            at("slurmd.pid"),
            at("slurmctld.log"),
            at("slurmd.log"),
        );
        fs::write(cluster.path("slurm.conf"), conf).unwrap();
        let munge = ["socket", "key", "pid", "log", "seed"].map(|what| {
            let option = match what {
                "socket" => "--socket".to_owned(),
                other => format!("--{other}-file"),
            };
            format!("{option}={}", at(&format!("munge.{what}")))
        });
        // Its folder is in one in which everybody may write.
        cluster.run("munged", &[&["--force".to_owned()], &munge[..]].concat());
        cluster.run("slurmctld", &[]);
        cluster.run("slurmd", &[]);
        let since = Instant::now();
        while !cluster.run("sinfo", &["--noheader".to_owned(), "--format=%T".to_owned()]).contains("idle") {
            assert!(since.elapsed() < PATIENCE, "{}", cluster.logs());
            std::thread::sleep(Duration::from_millis(200));
        }
        cluster
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn logs(&self) -> String {
        let read = |name| fs::read_to_string(self.path(name)).unwrap_or_default();
        ["munge.log", "slurmctld.log", "slurmd.log"].map(read).concat()
    }

    /// Runs a program of Slurm, which must succeed.
    fn run(&self, program: &str, arguments: &[String]) -> String {
        let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
        let output = Command::new(program)
            .args(arguments)
            .env("SLURM_CONF", self.path("slurm.conf"))
            .env("PATH", path)
            .output()
            .unwrap_or_else(|e| panic!("{program}: {e}"));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {errors}\n{}", self.logs());
        String::from_utf8(output.stdout).unwrap()
    }

    fn reg(&self, study: &Study, arguments: &str) -> Answer {
        let output = study.command(arguments).env("SLURM_CONF", self.path("slurm.conf")).output();
        finish(output, arguments)
    }

    fn json(&self, study: &Study, arguments: &str) -> Value {
        let answer = self.reg(study, &format!("--json {arguments}"));
        assert_eq!(answer.code, 0, "reg {arguments}: {}\n{}", answer.stderr, self.logs());
        answer.json()
    }

    /// Polls the status until it is as expected.
    fn until(&self, study: &Study, wanted: impl Fn(&Value) -> bool) -> Value {
        let since = Instant::now();
        loop {
            let status = self.json(study, "study status st");
            if wanted(&status) {
                return status;
            }
            assert!(since.elapsed() < PATIENCE, "{status}\n{}", self.logs());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ =
            Command::new("scancel").arg("--user=root").env("SLURM_CONF", self.path("slurm.conf")).status();
        for name in ["slurmd.pid", "slurmctld.pid", "munge.pid"] {
            let pid = fs::read_to_string(self.path(name)).unwrap_or_default();
            if let Some(pid) = pid.trim().parse().ok().and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

const STUDY: &str = "name = 'st'\ndataset = 'tiny'\nthreads = 1\ndevice = 'cpu'\n[settings]\nepochs = 2\n\
    [[split]]\nname = 'drawn'\nfolds = 1\nratios = [70, 10, 20]\n\
    [[section]]\nname = 'table-4'\nsplit = 'drawn'\n\
    [[setup]]\nsection = 'table-4'\nname = 'a'\nmodel = 'tiny'\nset = { epochs = 100 }\n\
    [[setup]]\nsection = 'table-4'\nname = 'b'\nmodel = 'tiny'\nset = { epochs = 101 }\n\
    [[setup]]\nsection = 'table-4'\nname = 'meta'\nmodel = 'mlp'\n\
    [[section]]\nname = 'wild'\nsplit = 'drawn'\n\
    [[setup]]\nsection = 'wild'\nname = 'wild'\nmodel = 'tiny'\nset = { lr = 1e30 }\n";

/// A cluster; none without root or without Slurm.
fn cluster() -> Option<Cluster> {
    let there = support::root("a Slurm of one's own needs it")
        && support::programs(&["slurmctld", "slurmd", "munged", "sbatch"]);
    there.then(Cluster::start)
}

#[test]
fn a_study_on_slurm_goes_on_where_its_tasks_were_killed_and_names_what_failed() {
    let Some(cluster) = cluster() else { return };
    let study = Study::new();
    study.ok(INGEST);
    fs::write(study.path("st.toml"), STUDY).unwrap();

    let plan = "study run st.toml --slurm --plan --partition main --time 30";
    let make = "split make tiny --folds 1 --ratios 70/10/20 --seed 1 --name drawn";
    cluster.reg(&study, plan).says(1, &["does not exist yet", &format!("hint: `reg {make}`")]);
    study.ok(make);
    let printed = String::from_utf8(cluster.reg(&study, plan).stdout).unwrap();
    for line in
        ["#SBATCH --partition=main", "#SBATCH --time=30", "#SBATCH --requeue", "#SBATCH --signal=B:USR1@120"]
    {
        assert!(printed.contains(line), "{line} is missing in {printed}");
    }
    assert_eq!(study.json("list study")["records"], json!([]), "a plan writes nothing");

    // A site's own template.
    study.ok("study init site.sh --slurm");
    study.edit("site.sh", |text| {
        text.replace("# Add what the site needs", "export SITE={{job}}\n# Add what the site needs")
    });
    let submitted =
        cluster.json(&study, "study run st.toml --slurm --partition main --time 30 --template site.sh");
    let job = submitted["job"].as_str().unwrap().to_owned();
    assert_eq!(submitted["tasks"], json!(["st-a-f0", "st-b-f0", "st-meta-f0", "st-wild-f0"]));
    let script = fs::read_to_string(Path::new(submitted["script"].as_str().unwrap())).unwrap();
    assert!(script.contains("export SITE=reg-") && !script.contains("{{"), "{script}");

    let trains = |run: &Value| {
        let epochs = run["live"]["standing"]["epochs"].as_array().map_or(0, Vec::len);
        run["state"] == "running" && run["slurm"]["state"] == "RUNNING" && epochs > 1
    };
    let both = cluster.until(&study, |status| trains(&status["runs"][0]) && trains(&status["runs"][1]));
    assert_eq!(both["runs"][0]["slurm"]["node"].as_str().map(str::is_empty), Some(false));
    // The administrator kills and requeues one task; another nears its time limit.
    cluster.run("scontrol", &["requeue".to_owned(), format!("{job}_0")]);
    cluster.run("scancel", &["--signal=USR1", "--batch", &format!("{job}_1")].map(str::to_owned));
    // Tasks that are queued or running are not submitted again.
    let again = cluster.json(&study, "study run st.toml --slurm");
    for name in ["st-a-f0", "st-b-f0"] {
        assert!(!again["tasks"].as_array().unwrap().contains(&json!(name)), "{again}");
    }
    let done = cluster.until(&study, |status| status["done"] == json!(3));
    let error = |status: &Value| status["runs"][3]["slurm"]["error"].as_str().map(str::to_owned);
    let ended = cluster.until(&study, |status| error(status).is_some());
    assert!(error(&ended).unwrap().contains("loss"), "{ended}");
    let log = |place: u32| {
        let folder = Path::new(submitted["script"].as_str().unwrap()).parent().unwrap().to_owned();
        fs::read_to_string(folder.join(format!("{place}.log"))).unwrap()
    };
    for place in [0, 1] {
        assert!(log(place).contains("resuming after epoch"), "{}", log(place));
        assert!(log(place).contains("error: interrupted"), "{}", log(place));
        let run = done["runs"][place as usize]["run"].as_str().unwrap();
        let up = study.ok(&format!("trace {run} --down --format json"));
        assert!(up.contains("execution"), "{up}");
    }

    // Nothing else is submitted, and the same study here finds all results.
    let here = cluster.reg(&study, "--json study run st.toml");
    assert_eq!((here.code, &here.json()["cached"], &here.json()["failed"]), (1, &json!(3), &json!(1)));
    assert_eq!(
        study.json("study compare st")["sections"][0]["spearman"]["models"],
        json!(["a", "b", "meta"])
    );
    study.is_sound();
}

#[test]
fn without_a_shared_file_system_a_task_pulls_the_study_and_pushes_its_run() {
    let Some(cluster) = cluster() else { return };
    let study = Study::new();
    study.ok(INGEST);
    let wild = STUDY.find("[[section]]\nname = 'wild'").unwrap();
    fs::write(
        study.path("st.toml"),
        STUDY[..wild].replace("epochs = 100", "epochs = 3").replace("epochs = 101", "epochs = 4"),
    )
    .unwrap();
    let (remote, node) = (study.path("remote"), study.path("node"));
    let command = format!("study run st.toml --slurm --push {} --local {}", remote.display(), node.display());
    let submitted = cluster.json(&study, &command);
    assert_eq!(submitted["tasks"].as_array().unwrap().len(), 3);
    cluster.until(&study, |status| {
        let runs = status["runs"].as_array().unwrap();
        runs.iter().all(|run| run["slurm"].is_null())
    });
    assert_eq!(study.json("list run")["records"], json!([]), "the runs are not here");
    study.ok(&format!("pull {}", remote.display()));
    let status = study.json("study status st");
    assert_eq!(status["done"], json!(3), "{status}\n{}", logs_of_tasks(&submitted, &node));
    assert!(node.join(".reg").is_dir());
    study.is_sound();
}

/// The logs of the tasks of a study without a shared file system.
fn logs_of_tasks(submitted: &Value, node: &Path) -> String {
    let tag = &submitted["study"].as_str().unwrap()[..12];
    let read = |task| fs::read_to_string(node.join(format!("reg-{tag}-{task}.log"))).unwrap_or_default();
    (0..3).map(read).collect()
}
