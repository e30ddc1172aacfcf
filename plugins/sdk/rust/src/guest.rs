use crate::job::{forgotten_column, id, Data};
use crate::memory::Memory;
use crate::results::Output;
use crate::{abi, failed, manifest, no_data, Answer, Error, Job, Plugin, Question};
use alloc::{format, string::String, vec::Vec};

/// A plugin running in one memory: the functions of the contract, which
/// [`crate::serve!`] exports. Natively, in a block of bytes, it is what tests drive.
pub struct Guest {
    plugin: &'static Plugin,
    json: String,
    memory: Memory,
    opened: bool,
    rows: u32,
    job: Job,
    columns: Vec<abi::Column>,
    structs: (abi::Response, abi::Table, abi::Error),
    text: String,
}

impl Guest {
    pub(crate) fn with(plugin: &'static Plugin, memory: Memory) -> Guest {
        let job = Job { columns: Vec::new(), params: Vec::new(), outputs: Vec::new(), ranges: &[], selected: 0 };
        let structs = Default::default();
        let (json, text) = (manifest::manifest(plugin), String::new());
        Guest { plugin, json, memory, opened: false, rows: 0, job, columns: Vec::new(), structs, text }
    }

    /// Returns the manifest, packed.
    pub fn describe(&mut self) -> u64 {
        self.memory.reset();
        abi::pack(self.memory.place(self.json.as_bytes()), self.json.len() as u32)
    }

    /// Takes the directory; returns 0, or an error response.
    pub fn open(&mut self, at: u32, len: u32) -> u64 {
        let opened = self.directory(at, len).map_err(|text| format!("the directory: {text}")).map_err(failed);
        let opened = opened.and_then(|()| self.plugin.open.map_or(Ok(()), |open| open(&mut self.job)));
        match opened {
            Ok(()) => 0,
            Err(e) => self.fail(Error { code: abi::ERR_DATASET, ..e }, None),
        }
    }

    /// Takes a request; returns a response, good until the next call.
    pub fn answer(&mut self, at: u32, len: u32) -> u64 {
        match self.request(at, len) {
            Err(text) => self.fail(failed(format!("the request: {text}")), None),
            Ok(q) => match (q.answer)(&mut self.job).and_then(|()| self.succeed(q)) {
                Ok(()) => {
                    let at = self.memory.place_struct(&self.structs.0);
                    abi::pack(at, abi::Response::SIZE)
                }
                Err(e) => self.fail(e, Some(q)),
            },
        }
    }

    fn fail(&mut self, e: Error, q: Option<&Question>) -> u64 {
        self.memory.reset();
        let params = q.map_or(&[][..], |q| q.params);
        let about = e.param.and_then(|p| params.iter().position(|declared| id(*declared) == id(p)));
        self.text = e.text;
        let text = self.memory.place(self.text.as_bytes());
        let param = about.map_or(abi::NO_INDEX, |i| i as u32);
        let (size, version) = (abi::Error::SIZE, abi::VERSION);
        self.structs.2 = abi::Error { size, version, code: e.code, param, text, text_len: self.text.len() as u32, ..Default::default() };
        let error = self.memory.place_struct(&self.structs.2);
        self.structs.0 = abi::Response { size, version, status: 1, table_size: abi::Table::SIZE, error, ..Default::default() };
        abi::pack(self.memory.place_struct(&self.structs.0), size)
    }

    /// Makes the table of what was appended to the job's outputs.
    fn succeed(&mut self, q: &Question) -> Answer {
        self.memory.reset();
        self.columns.clear();
        let mut rows = None;
        for (r, (_, o)) in q.result.keys.iter().chain(q.result.values).zip(&mut self.job.outputs) {
            let d = r.declare();
            let n = o.rows(d.kind);
            if *rows.get_or_insert(n) != n {
                let first = q.result.keys.iter().chain(q.result.values).next().map_or("", |r| r.declare().name);
                let rows = rows.unwrap_or(0);
                return Err(failed(format!(
                    "the result's column {first} has {rows} rows, {} has {n}; for each row append to every column",
                    d.name
                )));
            }
            let mut c = abi::Column { type_: d.kind, null_count: o.missing.len() as u32, ..Default::default() };
            (c.data, c.data_len) = match d.kind {
                abi::FLOAT64 => self.memory.place_slice(&o.numbers),
                abi::INT64 => self.memory.place_slice(&o.integers),
                _ => self.memory.place_slice(&o.codes),
            };
            if let Some(of) = d.of {
                let from = self.job.columns.iter().find(|(key, _)| *key == id(of));
                let from = from.unwrap_or_else(|| forgotten_column(of)).1.wire;
                c.flags = from.flags & abi::SORTED_DICT;
                (c.dict_count, c.dict_offsets) = (from.dict_count, from.dict_offsets);
                (c.dict_bytes, c.dict_bytes_len) = (from.dict_bytes, from.dict_bytes_len);
            } else if d.kind == abi::STRING {
                c.dict_count = n as u32;
                c.dict_offsets = self.memory.place_slice(&o.offsets).0;
                (c.dict_bytes, c.dict_bytes_len) = self.memory.place_slice(&o.bytes);
            }
            if !o.missing.is_empty() {
                o.valid.clear();
                o.valid.resize((n + 7) / 8, 0xff);
                for row in &o.missing {
                    o.valid[*row as usize / 8] &= !(1 << (row % 8));
                }
                (c.validity, c.validity_len) = self.memory.place_slice(&o.valid);
            }
            self.columns.push(c);
        }
        let rows = rows.unwrap_or(0) as u32;
        if rows == 0 {
            return Err(no_data("no selected row has what the question needs"));
        }
        let columns = self.memory.place_slice(&self.columns).0;
        let (column_count, column_size) = (self.columns.len() as u32, abi::Column::SIZE);
        self.structs.1 = abi::Table { kind: 1, rows, column_count, column_size, columns, ..Default::default() };
        let tables = self.memory.place_struct(&self.structs.1);
        let (size, version, table_size) = (abi::Response::SIZE, abi::VERSION, abi::Table::SIZE);
        self.structs.0 = abi::Response { size, version, table_count: 1, table_size, tables, ..Default::default() };
        Ok(())
    }

    fn directory(&mut self, at: u32, len: u32) -> Result<(), &'static str> {
        const SHORT: &str = "it is too short, or not of version 1";
        const WRONG: &str = "its columns are not those that were asked for";
        self.opened = false;
        let d: abi::Directory = self.memory.read(at, len, abi::Directory::SIZE).ok_or(SHORT)?;
        let declared = self.plugin.columns;
        if d.size < abi::Directory::SIZE || d.size > len || d.version != abi::VERSION {
            return Err(SHORT);
        }
        if d.column_count as usize != declared.len() || d.column_size < abi::Column::SIZE {
            return Err(WRONG);
        }
        self.job.columns.clear();
        let rows = d.rows as usize;
        for (i, c) in declared.iter().enumerate() {
            let m = &self.memory;
            let w: abi::Column = m.read(d.columns + i as u32 * d.column_size, d.column_size, abi::Column::SIZE).ok_or(WRONG)?;
            if w.type_ != c.kind() {
                return Err(WRONG);
            }
            let of = |kind| if w.type_ == kind { rows } else { 0 };
            let words = if w.validity == 0 { 0 } else { (rows + 63) / 64 };
            let offsets = if w.type_ == abi::STRING { w.dict_count as usize + 1 } else { 0 };
            // A buffer reaches up to the next multiple of 64 bytes: a bitmap's last word exists.
            let data = m.view(w.data, of(abi::FLOAT64)).and_then(|numbers| {
                Some(Data {
                    numbers,
                    integers: m.view(w.data, of(abi::INT64))?,
                    codes: m.view(w.data, of(abi::STRING))?,
                    valid: m.view(w.validity, words)?,
                    offsets: m.view(w.dict_offsets, offsets)?,
                    bytes: m.view(w.dict_bytes, w.dict_bytes_len as usize)?,
                    // SAFETY: the contract says that units are UTF-8.
                    unit: unsafe { core::str::from_utf8_unchecked(m.view(w.unit, w.unit_len as usize)?) },
                    wire: w,
                })
            });
            self.job.columns.push((id(*c), data.ok_or("a buffer is misaligned or outside the memory")?));
        }
        (self.rows, self.opened) = (d.rows, true);
        self.job.selected = rows;
        // Leaked once per instance, which is acceptable.
        self.job.ranges = if rows > 0 { alloc::vec![abi::Range { start: 0, count: d.rows }].leak() } else { &[] };
        Ok(())
    }

    fn request(&mut self, at: u32, len: u32) -> Result<&'static Question, &'static str> {
        const SHORT: &str = "it is too short, not of version 1, or came before the dataset";
        const PARAMS: &str = "its parameters do not match those of the question";
        const RANGES: &str = "its row ranges are out of order or outside the dataset";
        let m = &self.memory;
        let r: abi::Request = m.read(at, len, abi::Request::SIZE).ok_or(SHORT)?;
        if !self.opened || r.size < abi::Request::SIZE || r.size > len || r.version != abi::VERSION {
            return Err(SHORT);
        }
        let q = self.plugin.questions.get(r.question as usize).ok_or("there is no such question")?;
        if r.param_count as usize != q.params.len() || r.param_size < abi::Param::SIZE {
            return Err(PARAMS);
        }
        self.job.params.clear();
        for (i, declared) in q.params.iter().enumerate() {
            let p: abi::Param = m.read(r.params + i as u32 * r.param_size, r.param_size, abi::Param::SIZE).ok_or(PARAMS)?;
            if p.kind != declared.kind() {
                return Err(PARAMS);
            }
            self.job.params.push((id(*declared), m.view(p.values, p.count as usize).ok_or(PARAMS)?));
        }
        self.job.ranges = m.view(r.ranges, r.range_count as usize).ok_or(RANGES)?;
        self.job.selected = 0;
        let mut end = 0;
        for run in self.job.ranges {
            if u64::from(run.start) < end || u64::from(run.start) + u64::from(run.count) > u64::from(self.rows) {
                return Err(RANGES);
            }
            end = u64::from(run.start) + u64::from(run.count);
            self.job.selected += run.count as usize;
        }
        self.job.outputs.resize_with(q.result.keys.len() + q.result.values.len(), || (core::ptr::null(), Output::default()));
        for (r, (key, o)) in q.result.keys.iter().chain(q.result.values).zip(&mut self.job.outputs) {
            *key = id(*r);
            o.numbers.clear();
            o.integers.clear();
            o.codes.clear();
            o.bytes.clear();
            o.offsets.clear();
            o.offsets.push(0);
            o.missing.clear();
        }
        Ok(q)
    }
}
type Result<T, E> = core::result::Result<T, E>;
