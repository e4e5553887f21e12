//! `reg serve`: its answers, request by request, and its pages in a real browser.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::browser::{Browser, http};
use crate::harness::{Study, files};
use crate::training::signal;

/// A server, which is killed when dropped.
pub(crate) struct Server {
    child: Child,
    port: u16,
    token: String,
}

impl Server {
    pub(crate) fn start(study: &Study) -> Self {
        let mut child = study.command("serve --port 0").stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.strip_prefix("http://127.0.0.1:").and_then(|rest| rest.split_once("/?token="));
        let (port, token) = address.unwrap_or_else(|| panic!("{line}"));
        let token = token.split(' ').next().unwrap().to_owned();
        Server { child, port: port.parse().unwrap(), token }
    }

    /// Sends a request line, headers, and the cookie.
    fn ask(&self, line: &str, heads: &[&str]) -> Reply {
        let cookie = format!("Cookie: reg-{}={}", self.port, self.token);
        self.bare(line, &[&[cookie.as_str()], heads].concat())
    }

    /// The same without the cookie.
    fn bare(&self, line: &str, heads: &[&str]) -> Reply {
        let heads: String = heads.iter().map(|head| format!("{head}\r\n")).collect();
        let text = http(self.port, &format!("{line} HTTP/1.1\r\n{heads}Connection: close\r\n\r\n"));
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        let pairs = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let heads = pairs.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        Reply { status, heads, body: body.to_owned() }
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.ask(&format!("GET {path}"), &[&format!("Host: 127.0.0.1:{}", self.port)])
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self, path: &str) -> String {
        let sign = if path.contains('?') { '&' } else { '?' };
        format!("http://127.0.0.1:{}{path}{sign}token={}", self.port, self.token)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) heads: BTreeMap<String, String>,
    pub(crate) body: String,
}

pub(crate) fn links(page: &str) -> impl Iterator<Item = String> {
    let parts = page.split("href=\"").chain(page.split("src=\""));
    let places = parts.map(|rest| rest.split('"').next().unwrap().replace("&amp;", "&"));
    places.filter(|place| place.starts_with('/')).collect::<Vec<_>>().into_iter()
}

/// The links of a page to itself with something chosen, such as a heat map; only of a page on which nothing is chosen yet,
/// because choices can be combined without end.
fn choices(path: &str, page: &str) -> Vec<String> {
    let parts = page.split("href=\"?").skip(1).filter(|_| !path.contains('?'));
    parts.map(|rest| format!("{path}?{}", rest.split('"').next().unwrap().replace("&amp;", "&"))).collect()
}

#[test]
fn every_link_of_every_page_leads_to_a_page_and_nothing_is_written() {
    let study = Study::trained();
    let image = study.registry();
    let first = image.view().unwrap().of_kind(reg::records::Kind::Dataset).unwrap()[0];
    let dataset: reg::records::Dataset = image.get(reg::hash::Id::new(first)).unwrap();
    let name = image.manifest(&dataset).unwrap().rows[0].name.clone();
    study.ok(&format!("gradcam tiny-s-f0 {name} --label Mass -o heat.png"));
    let before = (files(&study.path(".reg/objects")), study.json("log"));
    let server = Server::start(&study);
    let mut seen = BTreeSet::from(["/".to_owned(), "/?q=mlp&kind=run".to_owned(), "/live.json".to_owned()]);
    let mut next: Vec<String> = seen.iter().cloned().collect();
    let mut kinds = BTreeSet::new();
    while let Some(path) = next.pop() {
        let reply = server.get(&path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        let kind = reply.heads["content-type"].clone();
        if kind.starts_with("text/html") {
            assert!(!reply.body.contains("<style") && !reply.body.contains("<script>"), "{path}: inline");
            // The images of a data set are many and similar.
            let new = links(&reply.body).chain(choices(&path, &reply.body)).filter(|link| {
                !link.starts_with("/image/") || link.ends_with("/0") || link.contains("heat=")
            });
            next.extend(new.filter(|link| seen.insert(link.clone())));
        }
        kinds.insert(format!("{} {kind}", path.split(['/', '?']).nth(1).unwrap()));
    }
    for kind in ["record", "report", "lineage", "images", "image"] {
        assert!(kinds.contains(&format!("{kind} text/html; charset=utf-8")), "{kind}: {kinds:?}");
    }
    for kind in ["xray image/png", "heat image/png", "json application/json"] {
        assert!(kinds.contains(kind), "{kind}: {kinds:?}");
    }
    assert!(seen.iter().any(|link| link.starts_with("/image/") && link.contains("?heat=")), "{seen:?}");
    assert!(seen.len() > 60, "{}", seen.len());
    assert_eq!((files(&study.path(".reg/objects")), study.json("log")), before);
    // The images of a patient, and one by name, too.
    for words in [name.to_string(), "patient:5".to_owned()] {
        let found = server.get(&format!("/?q={words}"));
        let place = links(&found.body).find(|link| link.starts_with("/images/")).unwrap();
        let listed = server.get(&place).body;
        let rows = if words == *name { "1 image" } else { "2 images" };
        assert!(listed.contains(rows) && links(&listed).any(|link| link.starts_with("/image/")));
    }
    assert!(!server.get("/?q=patient:77777").body.contains("/images/"));
    // A name or the beginning of an id leads to its record.
    let table = study.id("table");
    let found = server.get("/?q=table");
    assert_eq!((found.status, &found.heads["location"]), (303, &format!("/record/{table}")));
    assert_eq!(server.get(&format!("/?q={}", &table[..8])).status, 303);
    // So it does in a link that somebody has typed.
    let whole = server.get(&format!("/record/{table}"));
    for typed in [&table[..12], &table[..8], "table"] {
        let found = server.get(&format!("/record/{typed}"));
        assert!(found.status == 200 && found.body == whole.body, "{typed}: {}", found.status);
    }
    assert!(
        server.get("/?q=%3Cscript%3Ealert(1)%3C/script%3E").body.contains("0 records with “&lt;script&gt;")
    );
}

#[test]
fn only_a_reader_on_this_machine_gets_an_answer_and_only_from_the_registry() {
    let study = Study::divided();
    let server = Server::start(&study);
    let port = server.port;
    let own = format!("Host: localhost:{port}");
    let reply = server.ask("GET /", &[&own]);
    assert_eq!(reply.status, 200);
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(reply.heads[name], value, "{name}");
    }
    let policy = &reply.heads["content-security-policy"];
    assert!(
        policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
        "{policy}"
    );
    assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    assert!(!reply.heads.contains_key("access-control-allow-origin"));

    // Another name that resolves to this machine, another port, none, two.
    for heads in [
        &["Host: evil.example"][..],
        &[&format!("Host: evil.example:{port}")],
        &[&format!("Host: 127.0.0.1.evil.example:{port}")],
        &[&format!("Host: 127.0.0.1:{}", port ^ 1)],
        &["Host: 127.0.0.1"],
        &["Host: "],
        &[&own, "Host: evil.example"],
    ] {
        let reply = server.ask("GET /", heads);
        assert!([400, 421].contains(&reply.status), "{heads:?}: {}", reply.status);
        assert!(!reply.body.contains("tiny"), "{heads:?}");
    }
    assert_eq!(server.ask("GET http://evil.example/", &[&own]).status, 400);
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let reply = server.ask(&format!("{method} /"), &[&own]);
        assert_eq!((reply.status, &*reply.heads["allow"]), (405, "GET, HEAD"), "{method}");
    }
    let head = server.ask("HEAD /page.css", &[&own]);
    assert!(head.status == 200 && head.body.is_empty() && head.heads["content-length"] != "0", "{head:?}");

    // Only ids are accepted, and only of the right kind.
    let dataset = study.id("tiny");
    let manifest = study.json("show tiny")["record"]["manifest"].as_str().unwrap().to_owned();
    for path in [
        "/etc/passwd".to_owned(),
        "/../../../etc/passwd".to_owned(),
        "//etc/passwd".to_owned(),
        "/%2e%2e/%2e%2e/etc/passwd".to_owned(),
        "/record/..".to_owned(),
        "/record/../../reg.redb".to_owned(),
        "/record/nobody".to_owned(),
        format!("/record/{}", "0".repeat(64)),
        format!("/json/{manifest}"),
        format!("/heat/{dataset}"),
        format!("/images/{manifest}"),
        format!("/image/{dataset}/-1"),
        format!("/xray/{dataset}/99999999"),
        format!("/xray/{dataset}/../reg.redb"),
        format!("/report/{}/", dataset),
    ] {
        let reply = server.get(&path);
        assert!([400, 404].contains(&reply.status), "{path}: {} {}", reply.status, reply.body);
        assert!(!reply.body.contains("root:"), "{path}");
    }
    // A head without an end, and one that is too long.
    assert_ne!(server.ask("GET /", &[&own, &format!("X: {}", "x".repeat(100_000))]).status, 200);
    study
        .reg(&format!("serve --port {port}"))
        .says(1, &["cannot listen", "hint: choose another port with --port N"]);
}

/// Every account of the machine can connect to the port. A client that sends nothing, half a request or a byte now and
/// then delays neither other readers nor the end of the server.
#[test]
fn connections_on_which_no_request_comes_keep_nobody_waiting() {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    let study = Study::divided();
    let mut server = Server::start(&study);
    let port = server.port;
    let connect = || TcpStream::connect(("127.0.0.1", port)).unwrap();
    let half = format!("GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: x");
    let whole = format!("GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
    let mut idle: Vec<TcpStream> = Vec::new();
    for n in 0..3 * reg::limits::CONNECTIONS {
        let mut stream = connect();
        // The server may have closed the connection already.
        let _ = stream.write_all([b"", half.as_bytes(), whole.as_bytes()][n % 3]);
        idle.push(stream);
    }
    let begun = Instant::now();
    for _ in 0..10 {
        assert_eq!(server.get("/").status, 200);
    }
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());

    // The whole head has one deadline, however slowly it arrives.
    let (mut slow, begun) = (connect(), Instant::now());
    slow.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let ended = |slow: &mut TcpStream| match slow.read(&mut [0; 64]) {
        Ok(read) => read == 0,
        Err(e) => e.kind() == std::io::ErrorKind::ConnectionReset,
    };
    let mut bytes = half.bytes().cycle();
    while slow.write_all(&[bytes.next().unwrap()]).is_ok() && !ended(&mut slow) {
        assert!(begun.elapsed() < reg::limits::REQUEST_WAIT + Duration::from_secs(5), "it is still open");
    }
    assert!(begun.elapsed() > Duration::from_secs(5), "{:?}", begun.elapsed());

    // The server ends at once, and another server can use the port at once.
    idle.extend((0..reg::limits::CONNECTIONS).map(|_| connect()));
    let begun = Instant::now();
    signal(&server.child, Signal::INT);
    server.child.wait().unwrap();
    let mut next = study.command(&format!("serve --port {port}")).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(next.stderr.take().unwrap()).read_line(&mut line).unwrap();
    next.kill().unwrap();
    next.wait().unwrap();
    assert!(line.contains(&format!("127.0.0.1:{port}")), "{line}");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

/// Every account of the machine can connect to the port, and browsers keep pages unless told not to.
#[test]
fn without_the_token_nothing_is_shown_and_nothing_is_kept() {
    let study = Study::divided();
    let server = Server::start(&study);
    let (port, token) = (server.port, &server.token);
    let host = format!("Host: 127.0.0.1:{port}");
    let id = study.id("tiny");
    let xray = format!("/xray/{id}/0");
    let seen = server.get(&xray);
    assert_eq!((seen.status, &*seen.heads["cache-control"]), (200, "no-store"));
    let wrong = format!("{:064x}", 1);
    for cookie in [
        String::new(),
        format!("Cookie: reg-{port}={wrong}"),
        format!("Cookie: reg-{port}="),
        format!("Cookie: reg-{}={token}", port ^ 1),
        format!("Cookie: token={token}"),
    ] {
        for path in
            ["/", &xray, "/live.json", "/page.css", &format!("/json/{id}"), &format!("/?token={wrong}")]
        {
            let heads: Vec<&str> =
                [host.as_str(), &cookie].into_iter().filter(|head| !head.is_empty()).collect();
            let reply = server.bare(&format!("GET {path}"), &heads);
            assert!(
                reply.status == 403 && reply.body.contains("`reg serve` has printed"),
                "{path}: {reply:?}"
            );
            assert!(!reply.heads.contains_key("set-cookie"), "{reply:?}");
        }
    }
    let first = server.bare(&format!("GET /images/{id}?page=1&token={token}&q=5"), &[&host]);
    assert_eq!((first.status, &*first.heads["location"]), (303, &*format!("/images/{id}?page=1&q=5")));
    let cookie = &first.heads["set-cookie"];
    assert_eq!(cookie, &format!("reg-{port}={token}; Path=/; HttpOnly; SameSite=Strict"));
    let away = server.bare(&format!("GET //evil.example/?token={token}"), &[&host]);
    assert!(away.status != 303 || away.heads["location"] == "/evil.example/", "{away:?}");
    assert!(server.get(&format!("/images/{id}?page={}", u64::MAX)).status == 200);
}

#[test]
fn a_program_is_told_address_and_token() {
    let study = Study::divided();
    let mut child = study.command("--json serve --port 0").stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let told: serde_json::Value = serde_json::from_str(&line).unwrap();
    let (port, token) = (told["port"].as_u64().unwrap(), told["token"].as_str().unwrap());
    assert_eq!(told["url"], format!("http://127.0.0.1:{port}/?token={token}"));
}

#[test]
fn a_socket_is_of_its_owner_alone() {
    use std::io::{Read, Write};
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;
    let study = Study::divided();
    let path = study.path("s.sock");
    let start = || {
        let mut child = study.command("--json serve --socket s.sock").stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let told: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        (child, told["token"].as_str().unwrap().to_owned())
    };
    let (mut child, token) = start();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let ask = |heads: &str| {
        let mut stream = UnixStream::connect(&path).unwrap();
        write!(stream, "GET / HTTP/1.1\r\nHost: localhost:9000\r\n{heads}Connection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    };
    assert!(ask("").starts_with("HTTP/1.1 403"), "{}", ask(""));
    let seen = ask(&format!("Cookie: reg-9000={token}\r\n"));
    assert!(seen.starts_with("HTTP/1.1 200") && seen.contains("tiny"), "{seen}");
    study.reg("serve --socket s.sock").says(1, &["cannot listen on s.sock", "another server listens there"]);
    study.reg("serve --socket data.csv").says(1, &["a file of this name exists"]);
    assert!(fs::read_to_string(study.path("data.csv")).unwrap().starts_with("Image Index"));
    // A server that was killed leaves its socket, which the next one replaces.
    child.kill().unwrap();
    child.wait().unwrap();
    let (mut child, _) = start();
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn who_writes_does_not_wait_for_who_reads() {
    let study = Study::trained();
    let server = Server::start(&study);
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers = (0..3).map(|_| {
            scope.spawn(|| {
                let mut read = 0;
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    // While another process writes, the only other answer is that the registry is busy.
                    assert!([200, 503].contains(&server.get("/").status));
                    read += 1;
                }
                read
            })
        });
        let readers: Vec<_> = readers.collect();
        for n in 0..10 {
            study.ok(&format!("tag name{n} table"));
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(readers.into_iter().map(|reader| reader.join().unwrap()).sum::<u32>() > 3);
    });
    assert!(server.get("/?q=name9").heads.contains_key("location"), "what was written is there");
}

#[test]
fn a_browser_sees_a_training_move_and_boxes_on_an_image() {
    let study = Study::divided();
    let Some(browser) = Browser::start() else { return };
    let server = Server::start(&study);
    browser.open(&server.url("/"));
    let rows =
        || browser.script("return [...document.querySelectorAll('#live tbody tr')].map(r => r.textContent)");
    let wait = |what: &str, holds: &dyn Fn() -> bool| {
        let start = Instant::now();
        while !holds() {
            assert!(start.elapsed() < Duration::from_secs(60), "{what}: {}", rows());
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    assert_eq!(browser.script("return document.querySelector('#live table')"), json!(null));
    let training =
        "train --dataset tiny --split s --model tiny --set epochs=5000 --threads 1 --fold 0 --name moving";
    let mut child = study.command(training).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let epoch = || rows()[0].as_str().is_some_and(|row| row.contains("moving") && row.contains(" of 5000"));
    wait("it appears", &epoch);
    let first = rows();
    wait("it moves by itself", &|| rows() != first);
    signal(&child, Signal::INT);
    child.wait().unwrap();
    wait("it was interrupted", &|| rows()[0].as_str().is_some_and(|row| row.contains("interrupted")));
    assert_eq!(browser.console(), [""; 0]);

    // An image with a box.
    let registry = study.registry();
    let id = study.id("tiny");
    let dataset: reg::records::Dataset = registry.get(reg::hash::Id::new(id.parse().unwrap())).unwrap();
    let boxes = registry.boxes(&dataset).unwrap().unwrap().rows;
    browser.open(&server.url(&format!("/image/{id}/{}", boxes[0].image)));
    assert_eq!(browser.script("return document.images[0].naturalWidth > 0"), json!(true));
    let seen = || browser.script("return document.querySelector('.viewer rect').checkVisibility()");
    assert_eq!(seen(), json!(true));
    browser.click("#boxes");
    assert_eq!(seen(), json!(false));
    browser.open(&server.url(&format!("/lineage/up/{id}")));
    browser.click("summary");
    assert_eq!(browser.script("return document.querySelector('.tree li li').checkVisibility()"), json!(true));
    browser.click(".tree li li a.id");
    assert!(browser.script("return location.pathname").as_str().unwrap().starts_with("/record/"));
    assert_eq!(browser.console(), [""; 0], "nothing is against the policy");
    fs::remove_dir_all(study.path(".reg/live")).unwrap();
}
