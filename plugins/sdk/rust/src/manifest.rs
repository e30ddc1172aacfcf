use crate::{abi, Plugin, Question, ResultColumn};
use alloc::string::{String, ToString};

/// Writes JSON.
#[derive(Default)]
pub struct Encoder {
    out: String,
    comma: bool, // something stands before, in the same array or object
}

pub(crate) fn manifest(p: &Plugin) -> String {
    let mut e = Encoder::default();
    e.object(|e| {
        e.pair("name", p.name);
        e.pair("version", p.version);
        e.optional("title", p.title);
        e.optional("description", p.description);
        e.optional("license", p.license);
        e.optional("homepage", p.homepage);
        e.list("columns", p.columns, |e, c| {
            e.object(|e| {
                e.pair("name", c.name());
                e.pair("type", type_name(c.kind()));
                e.flag("optional", c.optional());
            })
        });
        e.list("questions", p.questions, |e, q| e.object(|e| question(e, q)));
    });
    e.out
}

fn question(e: &mut Encoder, q: &Question) {
    e.pair("name", q.name);
    e.optional("title", q.title);
    e.optional("description", q.description);
    if !q.params.is_empty() {
        e.list("params", q.params, |e, p| e.object(|e| p.declare(e)));
    }
    e.key("result");
    e.object(|e| {
        if !q.result.keys.is_empty() {
            e.list("keys", q.result.keys, |e, r| result(e, *r));
        }
        e.list("values", q.result.values, |e, r| result(e, *r));
        e.optional("layout", q.result.layout);
        e.optional("chart", q.result.chart);
    });
    if !q.needs.is_empty() {
        e.list("needs", q.needs, |e, c| e.text(c.name()));
    }
    e.scalar("example", Some(q.example).filter(|text| !text.is_empty()));
}

fn result(e: &mut Encoder, r: &dyn ResultColumn) {
    let d = r.declare();
    e.object(|e| {
        e.pair("name", d.name);
        e.pair("type", type_name(d.kind));
        e.optional("title", d.title);
        e.optional("unit", d.unit);
        e.optional("unit_of", d.unit_of.map_or("", |c| c.name()));
        e.optional("shows", d.shows);
    });
}

fn type_name(kind: u32) -> &'static str {
    match kind {
        abi::FLOAT64 => "number",
        abi::INT64 => "integer",
        _ => "string",
    }
}

impl Encoder {
    fn begin(&mut self, bracket: char) {
        if self.comma {
            self.out.push(',');
        }
        self.out.push(bracket);
        self.comma = false;
    }

    fn end(&mut self, bracket: char) {
        self.out.push(bracket);
        self.comma = true;
    }

    fn object(&mut self, members: impl FnOnce(&mut Encoder)) {
        self.begin('{');
        members(self);
        self.end('}');
    }

    pub(crate) fn list<T>(&mut self, key: &str, of: &[T], element: impl Fn(&mut Encoder, &T)) {
        self.key(key);
        self.begin('[');
        for one in of {
            element(self, one);
        }
        self.end(']');
    }

    fn key(&mut self, name: &str) {
        self.text(name);
        self.out.push(':');
        self.comma = false;
    }

    pub(crate) fn pair(&mut self, name: &str, value: &str) {
        self.key(name);
        self.text(value);
    }

    pub(crate) fn optional(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.pair(name, value);
        }
    }

    pub(crate) fn flag(&mut self, name: &str, set: bool) {
        self.scalar(name, if set { Some(true) } else { None });
    }

    /// Writes a number or a boolean, if there is one.
    pub(crate) fn scalar<T: ToString>(&mut self, name: &str, value: Option<T>) {
        if let Some(v) = value {
            self.key(name);
            self.out.push_str(&v.to_string());
            self.comma = true;
        }
    }

    pub(crate) fn text(&mut self, s: &str) {
        self.begin('"');
        for c in s.chars() {
            match c {
                '"' | '\\' => self.out.extend(['\\', c]),
                ' '.. => self.out.push(c),
                _ => {
                    let hex = |n: u32| char::from_digit(n, 16).unwrap_or('0');
                    self.out.push_str("\\u00");
                    self.out.extend([hex(c as u32 >> 4), hex(c as u32 & 15)]);
                }
            }
        }
        self.end('"');
    }
}
