//! A real browser without a window, and what it says of a page: its texts, its errors, its requests.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::process::Process;
use crate::scene::Scene;
use crate::setup::program;
use crate::wait::{SLOW, until};

/// A running Chromium with one page, led by the protocol of its developer tools, over pipes.
#[derive(Debug)]
pub struct Browser {
    process: Process,
    to: ChildStdin,
    from: Receiver<Value>,
    session: Option<String>,
    calls: u64,
    seen: Vec<Value>,
}

/// How a page is to be shown.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// In pixels.
    pub width: u32,
    /// Whether the system prefers dark pages.
    pub dark: bool,
}

impl Default for Look {
    fn default() -> Self {
        Self { width: 1280, dark: false }
    }
}

impl Browser {
    /// Starts one.
    pub fn start(scene: &Scene) -> Self {
        let program = program("chromium");
        // The pipes of the protocol are descriptors 3 and 4.
        let mut command = scene.program(Path::new("sh"));
        command.args(["-c", "exec \"$@\" 3<&0 4>&1 0</dev/null 1>&2", "sh"]).arg(program);
        command
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--log-level=3",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-extensions",
            ])
            // No name leads anywhere: what a page asks of elsewhere fails, and is an error of the page.
            .args(["--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", scene.path("browser").display()))
            .stdin(Stdio::piped());
        let mut process = scene.start_piped("browser", command);
        let to = process.child().stdin.take().expect("a pipe to the browser");
        let from = process.child().stdout.take().expect("a pipe from the browser");
        let (sender, receiver) = channel();
        thread::spawn(move || {
            for message in BufReader::new(from).split(0).map_while(Result::ok) {
                let message = serde_json::from_slice(&message).expect("JSON from the browser");
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let mut browser = Self { process, to, from: receiver, session: None, calls: 0, seen: Vec::new() };
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}));
        let attached = browser.call("Target.attachToTarget", &json!({"targetId": target["targetId"], "flatten": true}));
        browser.session = Some(attached["sessionId"].as_str().expect("a session").to_owned());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// Opens a page. What earlier pages did is forgotten.
    pub fn open(&mut self, url: &str, look: Look) {
        let scheme = if look.dark { "dark" } else { "light" };
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", &features);
        self.resize(look.width, 900);
        self.call("Page.navigate", &json!({"url": "about:blank"}));
        self.seen.clear();
        let opened = self.call("Page.navigate", &json!({"url": url}));
        assert_eq!(opened["errorText"], Value::Null, "{url}");
        self.sees("document.readyState === 'complete'");
    }

    /// Runs a script in each page that is opened from now on, before its own.
    pub fn before_each(&mut self, script: &str) {
        self.call("Page.addScriptToEvaluateOnNewDocument", &json!({"source": script}));
    }

    /// The value of an expression of JavaScript in the page, once its promise is kept.
    pub fn value(&mut self, expression: &str) -> Value {
        let parameters = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", &parameters);
        assert_eq!(answer["exceptionDetails"], Value::Null, "{expression}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true. What it looks for may not be there yet.
    pub fn sees(&mut self, expression: &str) {
        let probe = format!("(() => {{ try {{ return Boolean({expression}) }} catch {{ return false }} }})()");
        until(expression, SLOW, || (self.value(&probe) == true).then_some(()));
    }

    /// The texts of all elements that a selector finds, as the document holds them.
    pub fn texts(&mut self, selector: &str) -> Vec<String> {
        let expression =
            format!("[...document.querySelectorAll({})].map((element) => element.textContent)", json!(selector));
        serde_json::from_value(self.value(&expression)).expect("texts")
    }

    /// The text of the only element that a selector finds.
    pub fn text(&mut self, selector: &str) -> String {
        let texts = self.texts(selector);
        assert_eq!(texts.len(), 1, "{selector}: {texts:?}");
        texts.into_iter().next().expect("a text")
    }

    /// What the page has complained of: exceptions, errors in the console, what its policy has refused.
    pub fn complaints(&self) -> Vec<String> {
        let complaint = |event: &Value| {
            let parameters = &event["params"];
            match event["method"].as_str()? {
                "Runtime.exceptionThrown" => Some(parameters["exceptionDetails"].to_string()),
                "Runtime.consoleAPICalled" => {
                    let kind = parameters["type"].as_str()?;
                    ["error", "warning", "assert"].contains(&kind).then(|| parameters["args"].to_string())
                }
                "Log.entryAdded" => {
                    let level = parameters["entry"]["level"].as_str()?;
                    ["error", "warning"].contains(&level).then(|| parameters["entry"].to_string())
                }
                "Page.javascriptDialogOpening" => Some(format!("a dialog: {}", parameters["message"])),
                _ => None,
            }
        };
        self.seen.iter().filter_map(complaint).collect()
    }

    /// The URLs of all that the page has asked for.
    pub fn requests(&self) -> Vec<String> {
        let requests = self.seen.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        requests.filter_map(|event| event["params"]["request"]["url"].as_str().map(ToOwned::to_owned)).collect()
    }

    /// Changes the size of the page.
    pub fn resize(&mut self, width: u32, height: u32) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.call("Emulation.setDeviceMetricsOverride", &size);
    }

    /// Presses a key, as a person does: `Tab`, `Enter`.
    pub fn press(&mut self, key: &str) {
        let text = if key == "Enter" { "\r" } else { "" };
        let code = if key == "Enter" { 13 } else { 9 };
        for kind in ["keyDown", "keyUp"] {
            let event = json!({"type": kind, "key": key, "code": key, "text": text, "windowsVirtualKeyCode": code});
            self.call("Input.dispatchKeyEvent", &event);
        }
    }

    fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.calls += 1;
        let mut call = json!({"id": self.calls, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            call["sessionId"] = session.as_str().into();
        }
        let mut bytes = call.to_string().into_bytes();
        bytes.push(0);
        self.to.write_all(&bytes).and_then(|()| self.to.flush()).unwrap_or_else(|e| panic!("{method}: {e}"));
        loop {
            let message =
                self.from.recv_timeout(SLOW).unwrap_or_else(|e| panic!("{method}: {e}: {}", self.process.stderr()));
            if message["id"] == self.calls {
                assert_eq!(message["error"], Value::Null, "{method}");
                return message["result"].clone();
            }
            self.note(message);
        }
    }

    fn note(&mut self, message: Value) {
        // A dialog stops the page until it is answered.
        if message["method"] == "Page.javascriptDialogOpening" {
            let answer = json!({"id": 0, "method": "Page.handleJavaScriptDialog", "params": {"accept": false},
                "sessionId": message["sessionId"]});
            let mut bytes = answer.to_string().into_bytes();
            bytes.push(0);
            let _ = self.to.write_all(&bytes);
        }
        self.seen.push(message);
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It removes its locks from the scene's folder.
        self.calls += 1;
        let mut bytes = json!({"id": self.calls, "method": "Browser.close"}).to_string().into_bytes();
        bytes.push(0);
        let _ = self.to.write_all(&bytes);
        for _ in 0..500 {
            if self.process.exit().is_some() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}
