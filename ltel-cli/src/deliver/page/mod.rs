//! The live page: shows the figures of runs in browsers while the tests run. An HTTP server of its own:
//!
//! ```text
//! figures -> sink -> kept runs -> state (serialized once, when a browser asks) -> events -> browsers
//! ```
//!
//! No queue belongs to a browser: each sees the latest state when it has read the one before. What the browsers get is described
//! in `report/html/live.js`.

mod config;
mod sink;
mod state;
mod runs;
mod events;
mod progress;
mod guard;
mod files;
mod routes;
mod server;
#[cfg(test)]
mod tests;

use ltel_core::backend::{Backend, BackendSpec, Check, Defaults, Pipe, Signal, Start, StartError, Takes};

pub(crate) use config::{Options, Page, PageUrl};
use sink::PageSink;

use crate::deliver::defaults_for_figures;

impl Backend for Page {
    type Options = Options;

    const SPEC: &'static BackendSpec =
        &BackendSpec::new("page", "A web page that shows runs while they are active.").pace("each second");

    fn check(options: Options, cx: &mut Check<'_>) -> Option<Self> {
        config::check(options, cx)
    }

    fn takes(&self, _: Signal) -> Takes {
        Takes::No
    }

    fn takes_figures(&self) -> bool {
        true
    }

    fn destination(&self) -> String {
        self.url_at(self.listen)
    }

    fn defaults(&self) -> Defaults {
        defaults_for_figures()
    }

    fn start(&self, cx: &Start) -> Result<Vec<Pipe>, StartError> {
        Ok(vec![Pipe::new(&[], PageSink::start(self, cx)?).with_figures()])
    }
}
