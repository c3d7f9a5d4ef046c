//! Expressions that the crate `cel` interprets.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use cel::extractors::This;
use cel::objects::Key;
use cel::{Context, Env, ExecutionError, Program};
use regex::Regex;
use serde_json::Value as Json;

use super::syntax::{FUNCTION, Literal, Node, NodeKind};
use super::{ExpressionError, Fault, Value};
use crate::event::{Event, Field};
use crate::text::shortened;

// Its functions are looked up by name, and never change.
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

// The crate's own `matches` compiles its regex with each call. This one has those of the expression.
const MATCHES: &str = "ltel_matches";

// The crate's parser takes no name that is reserved.
const FUNCTION_FIELD: &str = "ltel_function";

// In bytes. The system gives what is used.
const PARSER_STACK: usize = 32 << 20;

/// An expression that the crate `cel` interprets.
#[derive(Debug)]
pub(super) struct Interpreter {
    program: Program,
    fields: Vec<&'static Field>,
    patterns: Arc<HashMap<String, Regex>>,
}

impl Interpreter {
    /// Compiles a text that was checked.
    pub(super) fn compile(text: &str, node: &Node, fields: &[&'static Field]) -> Result<Self, Vec<ExpressionError>> {
        let (mut patterns, mut names) = (HashMap::new(), Vec::new());
        node.walk(&mut |node| {
            if matches!(&node.kind, NodeKind::Name(name) if name == FUNCTION) {
                names.push((node.span.clone(), FUNCTION_FIELD));
            }
            if let NodeKind::Call(call) = &node.kind
                && call.name.text == "matches"
                && let Some(Node { kind: NodeKind::Literal(Literal::String(pattern)), .. }) = call.arguments.last()
                && let Ok(regex) = Regex::new(pattern)
            {
                patterns.insert(pattern.clone(), regex);
                names.push((call.name.span.clone(), MATCHES));
            }
        });
        names.sort_by_key(|(name, _)| name.start);
        let mut source = text.to_owned();
        names.iter().rev().for_each(|(name, other)| source.replace_range(name.clone(), other));
        let program = parse(&source).map_err(|message| vec![ExpressionError::new(0..text.len(), message)])?;
        Ok(Self { program, fields: fields.to_vec(), patterns: Arc::new(patterns) })
    }

    pub(super) fn evaluate<'a>(&self, event: &Event<'a>) -> Result<Value<'a>, Fault> {
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        for field in &self.fields {
            let name = if field.name == FUNCTION { FUNCTION_FIELD } else { field.name };
            context.add_variable_from_value(name, to_cel(&field.read(event)));
        }
        if !self.patterns.is_empty() {
            let patterns = Arc::clone(&self.patterns);
            let matches = move |This(text): This<Arc<String>>, pattern: Arc<String>| {
                patterns.get(pattern.as_str()).is_some_and(|regex| regex.is_match(&text))
            };
            context.add_function(MATCHES, matches).map_err(|_| Fault::of("`matches` has no place"))?;
        }
        let value = self.program.execute(&context).map_err(|error| fault(&error))?;
        Ok(of_cel(value))
    }
}

/// Parses a text with a stack of its own: the parser of the crate needs a lot of it for each bracket.
fn parse(source: &str) -> Result<Program, String> {
    std::thread::scope(|scope| {
        let parser = std::thread::Builder::new().stack_size(PARSER_STACK);
        let parser = parser.spawn_scoped(scope, || {
            ENVIRONMENT.compile(source).map_err(|errors| {
                let messages: Vec<_> = errors.errors.into_iter().map(|error| error.msg).collect();
                messages.join("; ")
            })
        });
        match parser.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(parsed)) => parsed,
            Ok(Err(_)) => Err("the parser of the crate `cel` panicked".to_owned()),
            Err(error) => Err(format!("no thread for the parser: {error}")),
        }
    })
}

/// It may show values, which a client sent.
fn fault(error: &ExecutionError) -> Fault {
    Fault::new(shortened(&error.to_string(), 200).to_string())
}

fn to_cel(value: &Value<'_>) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(bool) => (*bool).into(),
        Value::Int(int) => (*int).into(),
        Value::Double(double) => (*double).into(),
        Value::String(text) => text.as_ref().into(),
        Value::Error(error) => HashMap::from([("class", &*error.class), ("text", &*error.text)]).into(),
        Value::Map(map) => {
            map.iter().map(|(key, value)| (key.clone(), json_to_cel(value))).collect::<HashMap<_, _>>().into()
        }
        Value::Counts(_) | Value::Strings(_) => json_to_cel(&value.to_json()),
        Value::Json(json) => json_to_cel(json),
    }
}

fn json_to_cel(json: &Json) -> cel::Value {
    match json {
        Json::Array(items) => items.iter().map(json_to_cel).collect::<Vec<_>>().into(),
        scalar_or_map => to_cel(&Value::of_json(scalar_or_map)),
    }
}

fn of_cel(value: cel::Value) -> Value<'static> {
    match value {
        cel::Value::Bool(bool) => Value::Bool(bool),
        cel::Value::Int(int) => Value::Int(int),
        cel::Value::UInt(uint) => Value::from(uint),
        cel::Value::Float(double) => Value::Double(double),
        cel::Value::String(text) => Value::String(Cow::Owned(text.as_ref().clone())),
        value @ (cel::Value::List(_) | cel::Value::Map(_)) => Value::Json(Cow::Owned(cel_to_json(&value))),
        _ => Value::Null,
    }
}

fn cel_to_json(value: &cel::Value) -> Json {
    match value {
        cel::Value::List(items) => items.iter().map(cel_to_json).collect(),
        cel::Value::Map(map) => map.map.iter().map(|(key, value)| (key_text(key), cel_to_json(value))).collect(),
        scalar => of_cel(scalar.clone()).to_json(),
    }
}

fn key_text(key: &Key) -> String {
    match key {
        Key::String(text) => text.as_ref().clone(),
        Key::Int(int) => int.to_string(),
        Key::Uint(uint) => uint.to_string(),
        Key::Bool(bool) => bool.to_string(),
    }
}
