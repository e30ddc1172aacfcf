//! Runs a plugin natively, in an ordinary test, where a debugger works:
//!
//! ```
//! use lestats::testing::*;
//! # use lestats::*;
//! # static LOCATION: StringColumn = StringColumn::new("location");
//! # static STATE: CodeResult = CodeResult::new(&LOCATION);
//! # fn states(job: &mut Job) -> Answer { STATE.column(job).append(1); Ok(()) }
//! # static PLUGIN: Plugin = Plugin {
//! #     name: "p", version: "1", columns: &[&LOCATION],
//! #     questions: &[Question { name: "states", answer: states, result: Result { values: &[&STATE], ..Result::NEW }, ..Question::NEW }],
//! #     ..Plugin::NEW
//! # };
//! let mut session = Session::open(&PLUGIN, &[strings("location", &["Utah", "Ohio"])]).unwrap();
//! let answer = session.ask("states", &[]).unwrap();
//! assert_eq!(answer.text("location", 0), Some("Utah"));
//! ```
//!
//! A parameter that is not given has its default, and `select` leaves only the rows with
//! the value, as on a server.
use crate::job::{id, Data};
use crate::results::Output;
use crate::{abi, Job, Plugin, Question};
use std::{boxed::Box, format, string::String, string::ToString, vec::Vec};

/// A column of the dataset: see [`strings`], [`numbers`] and [`integers`].
pub struct Column {
    name: &'static str,
    rows: usize,
    data: Data,
}

/// A value of a parameter.
#[derive(Clone, Copy, Debug)]
pub enum Value {
    /// Of a StringParam or a ChoiceParam.
    Text(&'static str),
    Number(f64),
    Integer(i64),
    Boolean(bool),
}
pub use Value::*;

/// The table that a question answered.
#[derive(Debug)]
pub struct Table {
    pub rows: usize,
    columns: Vec<(&'static str, Vec<Cell>)>,
}

#[derive(Debug)]
enum Cell {
    Missing,
    Text(String),
    Number(f64),
}

impl Table {
    fn cell(&self, column: &str, row: usize) -> &Cell {
        let (_, cells) = self.columns.iter().find(|(name, _)| *name == column).unwrap_or_else(|| panic!("the result has no column {column}"));
        &cells[row]
    }
    /// A row of a column of strings, `None` where it has no value.
    pub fn text(&self, column: &str, row: usize) -> Option<&str> {
        match self.cell(column, row) {
            Cell::Missing => None,
            Cell::Text(text) => Some(text),
            Cell::Number(n) => panic!("{column} is a column of numbers; its value is {n}"),
        }
    }
    /// A row of a column of numbers or integers, `None` where it has no value.
    pub fn number(&self, column: &str, row: usize) -> Option<f64> {
        match self.cell(column, row) {
            Cell::Missing => None,
            Cell::Number(n) => Some(*n),
            Cell::Text(text) => panic!("{column} is a column of strings; its value is {text}"),
        }
    }
}

fn leak<T>(of: Vec<T>) -> &'static [T] {
    Box::leak(of.into_boxed_slice())
}

fn column(name: &'static str, present: &[bool]) -> Column {
    let mut valid = std::vec![0u64; present.len() / 64 + 1];
    for (row, _) in present.iter().enumerate().filter(|(_, p)| **p) {
        valid[row / 64] |= 1 << (row % 64);
    }
    let missing = present.iter().filter(|p| !**p).count() as u32;
    let wire = abi::Column { null_count: missing, ..Default::default() };
    let data = Data { numbers: &[], integers: &[], codes: &[], valid: leak(valid), offsets: &[], bytes: &[], unit: "", wire };
    Column { name, rows: present.len(), data }
}

/// The numbers of a column, one per row; NaN has no value.
pub fn numbers(name: &'static str, values: &[f64]) -> Column {
    let mut c = column(name, &values.iter().map(|v| !v.is_nan()).collect::<Vec<_>>());
    (c.data.numbers, c.data.wire.type_) = (leak(values.to_vec()), abi::FLOAT64);
    c
}

/// The integers of a column, one per row; `None` has no value.
pub fn integers(name: &'static str, values: &[Option<i64>]) -> Column {
    let mut c = column(name, &values.iter().map(Option::is_some).collect::<Vec<_>>());
    (c.data.integers, c.data.wire.type_) = (leak(values.iter().map(|v| v.unwrap_or(0)).collect()), abi::INT64);
    c
}

/// The strings of a column, one per row; "" has no value.
pub fn strings(name: &'static str, values: &[&str]) -> Column {
    let mut c = column(name, &values.iter().map(|v| !v.is_empty()).collect::<Vec<_>>());
    let mut dict: Vec<&str> = values.iter().copied().filter(|v| !v.is_empty()).collect();
    dict.sort_unstable();
    dict.dedup();
    let mut offsets = std::vec![0];
    for text in &dict {
        offsets.push(offsets[offsets.len() - 1] + text.len() as u32);
    }
    c.data.codes = leak(values.iter().map(|v| dict.binary_search(v).unwrap_or(0) as i32).collect());
    (c.data.wire.type_, c.data.wire.dict_count) = (abi::STRING, dict.len() as u32);
    (c.data.offsets, c.data.bytes) = (leak(offsets), leak(dict.concat().into_bytes()));
    c
}

/// A column without a value in any row.
fn absent(name: &'static str, kind: u32, rows: usize) -> Column {
    match kind {
        abi::FLOAT64 => numbers(name, &std::vec![f64::NAN; rows]),
        abi::INT64 => integers(name, &std::vec![None; rows]),
        _ => strings(name, &std::vec![""; rows]),
    }
}

/// A plugin that has opened a dataset.
pub struct Session {
    plugin: &'static Plugin,
    job: Job,
    rows: usize,
}

impl Session {
    /// Opens a plugin on a dataset, which may lack optional columns. The error says why it
    /// refuses it.
    pub fn open(plugin: &'static Plugin, dataset: &[Column]) -> Result<Session, String> {
        let rows = dataset.first().map_or(0, |c| c.rows);
        let mut columns = Vec::new();
        for want in plugin.columns {
            let none;
            let found = match dataset.iter().find(|c| c.name == want.name()) {
                Some(c) => c,
                None if want.optional() => {
                    none = absent(want.name(), want.kind(), rows);
                    &none
                }
                None => return Err(format!("the test gives no column {}", want.name())),
            };
            if found.rows != rows || found.data.wire.type_ != want.kind() {
                return Err(format!("the column {} has another type, or not as many rows as the first", want.name()));
            }
            columns.push((id(*want), found.data));
        }
        let ranges = leak(std::vec![abi::Range { start: 0, count: rows as u32 }]);
        let mut job = Job { columns, params: Vec::new(), outputs: Vec::new(), ranges: if rows > 0 { ranges } else { &[] }, selected: rows };
        match plugin.open.map_or(Ok(()), |open| open(&mut job)) {
            Ok(()) => Ok(Session { plugin, job, rows }),
            Err(e) => Err(e.text),
        }
    }

    /// Asks a question. Give a parameter that takes a list several times.
    pub fn ask(&mut self, question: &str, given: &[(&str, Value)]) -> Result<Table, String> {
        let q = self.plugin.questions.iter().find(|q| q.name == question).ok_or_else(|| format!("there is no question {question}"))?;
        if let Some((name, _)) = given.iter().find(|(name, _)| q.params.iter().all(|p| p.name() != *name)) {
            return Err(format!("{question} takes no parameter {name}"));
        }
        self.job.params.clear();
        let mut selected = std::vec![true; self.rows];
        for p in q.params {
            let mut values: Vec<u64> = Vec::new();
            for (_, v) in given.iter().filter(|(name, _)| *name == p.name()) {
                values.push(p.encode(Some(*v), &self.job).ok_or_else(|| format!("the parameter {} does not take {v:?}", p.name()))?);
            }
            if values.is_empty() {
                values.extend(p.encode(None, &self.job));
            }
            if let (Some(column), false) = (p.selects(), values.is_empty()) {
                let data = self.job.data(column);
                for (row, keep) in selected.iter_mut().enumerate() {
                    let value = match data.wire.type_ {
                        abi::FLOAT64 => data.numbers[row].to_bits(),
                        abi::INT64 => data.integers[row] as u64,
                        _ => data.codes[row] as u64,
                    };
                    *keep &= data.valid[row / 64] >> (row % 64) & 1 == 1 && values.contains(&value);
                }
            }
            self.job.params.push((id(*p), leak(values)));
        }
        let mut ranges: Vec<abi::Range> = Vec::new();
        for row in (0..self.rows).filter(|row| selected[*row]) {
            match ranges.last_mut().filter(|r| (r.start + r.count) as usize == row) {
                Some(last) => last.count += 1,
                None => ranges.push(abi::Range { start: row as u32, count: 1 }),
            }
        }
        self.job.selected = selected.iter().filter(|keep| **keep).count();
        self.job.ranges = leak(ranges);
        let results = || q.result.keys.iter().chain(q.result.values);
        self.job.outputs = results().map(|r| (id(*r), Output { offsets: std::vec![0], ..Output::default() })).collect();
        (q.answer)(&mut self.job).map_err(|e| e.text)?;
        self.table(q)
    }

    fn table(&self, q: &Question) -> Result<Table, String> {
        let mut out = Table { rows: 0, columns: Vec::new() };
        for (i, (r, (_, o))) in q.result.keys.iter().chain(q.result.values).zip(&self.job.outputs).enumerate() {
            let d = r.declare();
            let n = o.rows(d.kind);
            if i > 0 && n != out.rows {
                return Err(format!("the result's column {} has {} rows, {} has {n}", out.columns[0].0, out.rows, d.name));
            }
            out.rows = n;
            let cell = |row: usize| match (d.kind, d.of) {
                _ if o.missing.contains(&(row as u32)) => Cell::Missing,
                (abi::FLOAT64, _) => Cell::Number(o.numbers[row]),
                (abi::INT64, _) => Cell::Number(o.integers[row] as f64),
                (_, Some(of)) => Cell::Text(of.text(&self.job, o.codes[row]).to_string()),
                _ => Cell::Text(String::from_utf8_lossy(&o.bytes[o.offsets[row] as usize..o.offsets[row + 1] as usize]).to_string()),
            };
            out.columns.push((d.name, (0..n).map(cell).collect()));
        }
        if out.rows == 0 {
            return Err("no selected row has what the question needs".to_string());
        }
        Ok(out)
    }
}
