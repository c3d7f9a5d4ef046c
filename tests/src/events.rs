//! A browser's connection to the live page, without the browser: server-sent events.

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::figures::{Counted, Endpoint, Figures};
use crate::wait::SLOW;

/// Reads the events of a page.
#[derive(Debug)]
pub struct Events(BufReader<TcpStream>);

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct PageEvent {
    /// What it is: `runs`, `document`, `end`.
    pub name: String,
    /// Its data.
    pub data: Value,
}

impl Events {
    /// Asks the page at this port of the loopback interface. `query` is empty or begins with `?`; `headers` are whole lines.
    pub fn of(port: u16, query: &str, headers: &str) -> io::Result<Self> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(SLOW))?;
        let request = format!("GET /events{query} HTTP/1.0\r\nHost: localhost:{port}\r\n{headers}\r\n");
        stream.write_all(request.as_bytes())?;
        let mut reader = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let is_right = head.split(' ').nth(1) == Some("200") && head.contains("content-type: text/event-stream\r\n");
        if is_right { Ok(Self(reader)) } else { Err(io::Error::other(head)) }
    }

    /// The next event with this name.
    pub fn next_of(&mut self, name: &str) -> PageEvent {
        self.find(|event| event.name == name).unwrap_or_else(|| panic!("the page has ended without `{name}`"))
    }

    /// The counts of an event that is a document.
    pub fn figures(event: &PageEvent) -> Figures {
        let endpoints = event.data["endpoints"].as_array().unwrap_or_else(|| panic!("no endpoints in {event:?}"));
        let counted = endpoints.iter().map(|endpoint| {
            let count = |key: &str| endpoint[key].as_u64().unwrap_or_else(|| panic!("no `{key}` in {endpoint}"));
            let text = |key: &str| endpoint[key].as_str().unwrap_or_else(|| panic!("no `{key}` in {endpoint}"));
            let counted = Counted { requests: count("requests"), failures: count("failures"), ..Counted::default() };
            (Endpoint::new(text("method"), text("name")), counted)
        });
        Figures(counted.collect())
    }
}

impl Iterator for Events {
    type Item = PageEvent;

    /// The next event; none if the connection has ended.
    fn next(&mut self) -> Option<PageEvent> {
        let (mut name, mut data) = (None, None);
        loop {
            let mut line = String::new();
            match self.0.read_line(&mut line) {
                Ok(0) => return None,
                // ltel has ended, while there was more to read.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no more events: {error}"),
                Ok(_) => {}
            }
            match line.trim_end_matches('\n').split_once(": ") {
                Some(("event", text)) => name = Some(text.to_owned()),
                Some(("data", text)) => data = Some(serde_json::from_str(text).expect("JSON on one line")),
                _ => {}
            }
            if line == "\n"
                && let (Some(name), Some(data)) = (name.take(), data.take())
            {
                return Some(PageEvent { name, data });
            }
        }
    }
}
