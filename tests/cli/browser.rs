//! A real browser: headless Chromium, driven through the WebDriver protocol with a minimal HTTP client.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support;

/// Chromium with one window. It ends with the value.
pub(crate) struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: tempfile::TempDir,
}

const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

impl Browser {
    /// Starts Chromium; none if it is not installed.
    pub(crate) fn start() -> Option<Self> {
        if !support::programs(&["chromedriver", "chromium"]) {
            return None;
        }
        let mut command = Command::new("chromedriver");
        let driver = command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut driver = driver.unwrap_or_else(|e| panic!("chromedriver: {e}"));
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines
            .find_map(|line| {
                line.unwrap().split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok()
            })
            .expect("chromedriver says its port");
        // Its further output must not fill the pipe.
        std::thread::spawn(move || lines.count());
        let profile = tempfile::tempdir().unwrap();
        let mut browser = Browser { driver, port, session: String::new(), _profile: profile };
        let data = format!("--user-data-dir={}", browser._profile.path().display());
        let mut arguments = vec!["--headless", "--disable-gpu", "--disable-quic", "--no-first-run"];
        arguments.extend(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
        arguments.extend(["--no-sandbox", "--disable-dev-shm-usage", "--window-size=1100,900", &data]);
        let session = browser.call(
            "POST",
            "/session",
            json!({ "capabilities": { "alwaysMatch": {
                "goog:chromeOptions": { "args": arguments },
                "goog:loggingPrefs": { "browser": "ALL" },
            } } }),
        );
        browser.session = format!("/session/{}", session["sessionId"].as_str().unwrap());
        Some(browser)
    }

    /// Opens an address.
    pub(crate) fn open(&self, url: &str) {
        self.ask("url", json!({ "url": url }));
    }

    /// The result of a function with this body, called in the page.
    pub(crate) fn script(&self, body: &str) -> Value {
        self.ask("execute/sync", json!({ "script": body, "args": [] }))
    }

    /// Presses the first element of a CSS selector with the mouse; it must be in sight once scrolled to.
    pub(crate) fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.ask(&format!("element/{element}/click"), json!({}));
    }

    /// Types into the first element of a CSS selector.
    pub(crate) fn keys(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.ask(&format!("element/{element}/value"), json!({ "text": text }));
    }

    fn element(&self, selector: &str) -> String {
        let found = self.ask("element", json!({ "using": "css selector", "value": selector }));
        found[ELEMENT].as_str().unwrap_or_else(|| panic!("no {selector}: {found}")).to_owned()
    }

    /// A command of the DevTools protocol.
    pub(crate) fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.ask("goog/cdp/execute", json!({ "cmd": command, "params": parameters }))
    }

    /// Width and height of the window's inside.
    pub(crate) fn size(&self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics);
    }

    /// The messages of the page's console since the last call.
    pub(crate) fn console(&self) -> Vec<String> {
        let entries = self.ask("se/log", json!({ "type": "browser" }));
        entries.as_array().unwrap().iter().map(|entry| entry["message"].to_string()).collect()
    }

    /// The pages that a printer would get, as base64 of a PDF.
    pub(crate) fn print(&self) -> String {
        self.ask("print", json!({})).as_str().unwrap().to_owned()
    }

    /// Presses a key in whatever has the focus.
    pub(crate) fn press(&self, key: &str) {
        let actions = json!([{ "type": "key", "id": "keyboard", "actions": [
            { "type": "keyDown", "value": key }, { "type": "keyUp", "value": key }
        ] }]);
        self.ask("actions", json!({ "actions": actions }));
    }

    /// What axe-core finds on the page that is serious, critical or moderate; none if axe-core is not installed.
    pub(crate) fn axe(&self) -> Option<Vec<String>> {
        let libraries = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/lib");
        let versions = std::fs::read_dir(libraries).into_iter().flatten().flatten();
        let files =
            versions.map(|version| version.path().join("site-packages/axe_playwright_python/axe.min.js"));
        let Some(source) = files.into_iter().find_map(|file| std::fs::read_to_string(file).ok()) else {
            support::absent("axe-core", "`make peers` installs it");
            return None;
        };
        self.script(&source);
        let found = self.ask(
            "execute/async",
            json!({ "args": [], "script": "const done = arguments[0];
                axe.run(document, { resultTypes: ['violations'] }).then((found) => done(found.violations
                  .filter((one) => one.impact !== 'minor')
                  .flatMap((one) => one.nodes.map((node) => `${one.impact} ${one.id}: ${node.target} ${node.failureSummary}`))),
                  (e) => done([String(e)]))" }),
        );
        Some(found.as_array().unwrap().iter().map(|one| one.as_str().unwrap().to_owned()).collect())
    }

    fn ask(&self, what: &str, body: Value) -> Value {
        self.call("POST", &format!("{}/{what}", self.session), body)
    }

    fn call(&self, method: &str, path: &str, body: Value) -> Value {
        let body = body.to_string();
        let text = http(
            self.port,
            &format!(
                "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                self.port,
                body.len()
            ),
        );
        let (_, answer) = text.split_once("\r\n\r\n").expect("a head and a body");
        let mut answer: Value = serde_json::from_str(answer).unwrap_or_else(|e| panic!("{e}: {text}"));
        assert!(answer["value"].get("error").is_none(), "{method} {path}: {}", answer["value"]);
        answer["value"].take()
    }
}

/// Sends bytes to a port of this machine and reads the answer to its end.
pub(crate) fn http(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    // A server that refuses a request need not read all of it: a reset ends the answer too.
    let _ = stream.write_all(request.as_bytes());
    // The driver keeps the connection open after its answer.
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap_or(0) > 0 {}
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let mut body = Vec::new();
    // The answer to a HEAD has no body.
    let _ = reader.take(length.unwrap_or(u64::MAX)).read_to_end(&mut body);
    head + &String::from_utf8_lossy(&body)
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends Chromium; the driver does not when it is killed.
        let request = format!(
            "DELETE {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n",
            self.session, self.port
        );
        if !std::thread::panicking() || TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
            http(self.port, &request);
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
