use crate::{abi, Column, Param, ResultColumn, StringColumn};
use crate::{memory, results::Output};
use alloc::vec::Vec;

/// One asking of one question.
pub struct Job {
    pub(crate) columns: Vec<(*const u8, Data)>,
    pub(crate) params: Vec<(*const u8, &'static [u64])>,
    pub(crate) outputs: Vec<(*const u8, Output)>,
    pub(crate) ranges: &'static [abi::Range],
    pub(crate) selected: usize,
}

/// Known by its address.
pub(crate) fn id<T: ?Sized>(handle: &T) -> *const u8 {
    handle as *const T as *const u8
}

/// A column of the dataset as open found it, which lives as long as the instance.
#[derive(Clone, Copy)]
pub(crate) struct Data {
    pub numbers: &'static [f64],
    pub integers: &'static [i64],
    pub codes: &'static [i32],
    pub valid: &'static [u64], // empty: every value is present
    pub offsets: &'static [u32],
    pub bytes: &'static [u8],
    pub unit: &'static str,
    pub wire: abi::Column,
}

impl Data {
    pub fn text(&self, code: usize) -> &'static str {
        let bytes = &self.bytes[self.offsets[code] as usize..self.offsets[code + 1] as usize];
        // SAFETY: the contract says that dictionaries are UTF-8.
        unsafe { core::str::from_utf8_unchecked(bytes) }
    }
}

/// How much a line of the log matters.
#[derive(Clone, Copy)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Err,
}

impl Job {
    /// The selected rows as runs of the dataset's rows, which ascend and do not touch.
    pub fn ranges(&self) -> &'static [abi::Range] {
        self.ranges
    }

    /// The number of selected rows.
    pub fn selected(&self) -> usize {
        self.selected
    }

    /// Writes a line to the host's log.
    pub fn log(&self, level: Level, text: &str) {
        memory::log(level as u32, text);
    }

    /// Tells the host that done of total steps are complete.
    pub fn progress(&self, done: i64, total: i64) {
        memory::progress(done, total);
    }

    /// The selected rows that pass every filter, of which there may be eight,
    /// ascending: the numbers by which the values of a column are indexed.
    pub fn rows(&self, filters: &[&dyn Filter]) -> Rows {
        let mut narrow = [Narrow { valid: &[], equal: None }; 8];
        for (to, f) in narrow[..filters.len()].iter_mut().zip(filters) {
            *to = f.narrow(self);
        }
        Rows { filters: narrow, filter_count: filters.len(), ranges: self.ranges.iter(), base: 0, mask: 0, at: 0, end: 0 }
    }

    pub(crate) fn data(&self, c: &dyn Column) -> &Data {
        match self.columns.iter().find(|(key, _)| *key == id(c)) {
            Some((_, data)) => data,
            None => forgotten_column(c),
        }
    }

    pub(crate) fn values(&self, p: &dyn Param) -> &'static [u64] {
        match self.params.iter().find(|(key, _)| *key == id(p)) {
            Some((_, values)) => values,
            None => forgotten("parameter", p.name(), "params of the Question"),
        }
    }

    pub(crate) fn output(&mut self, r: &dyn ResultColumn) -> &mut Output {
        match self.outputs.iter_mut().find(|(key, _)| *key == id(r)) {
            Some((_, output)) => output,
            None => forgotten("result column", r.declare().name, "keys or values of the question's Result"),
        }
    }
}

pub(crate) fn forgotten_column(c: &dyn Column) -> ! {
    forgotten("column", c.name(), "columns of the Plugin")
}

#[cold]
fn forgotten(what: &str, name: &str, list: &str) -> ! {
    panic!("the {what} \"{name}\" is not listed; add a reference to its static to {list}")
}

/// Narrows down the selected rows. A [`Column`] passes the rows that have a
/// value; [`StringColumn::is`] those that have one value.
pub trait Filter {
    #[doc(hidden)]
    fn narrow(&self, job: &Job) -> Narrow;
}

#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Narrow {
    pub valid: &'static [u64],
    pub equal: Option<(&'static [i32], i32)>,
}

/// What [`StringColumn::is`] returns.
pub struct Is {
    pub(crate) column: &'static StringColumn,
    pub(crate) code: i32,
}

impl Filter for Is {
    fn narrow(&self, job: &Job) -> Narrow {
        Narrow { equal: Some((self.column.codes(job), self.code)), ..self.column.narrow(job) }
    }
}

/// What [`Job::rows`] returns.
pub struct Rows {
    filters: [Narrow; 8],
    filter_count: usize,
    ranges: core::slice::Iter<'static, abi::Range>,
    base: usize,
    mask: u64, // what is left of the 64 rows from base on
    at: usize,
    end: usize, // of the range
}

impl Rows {
    /// Finds the next 64 rows, beginning at a multiple of 64, of which any passes.
    #[inline(never)]
    fn fill(&mut self) -> bool {
        loop {
            if self.at == self.end {
                match self.ranges.next() {
                    Some(r) => (self.at, self.end) = (r.start as usize, r.start as usize + r.count as usize),
                    None => return false,
                }
            }
            self.base = self.at & !63;
            let n = (self.end - self.base).min(64);
            let mut mask = u64::MAX << (self.at & 63) & u64::MAX >> (64 - n);
            self.at = self.base + n;
            for f in &self.filters[..self.filter_count] {
                if !f.valid.is_empty() {
                    mask &= f.valid[self.base / 64];
                }
                if let Some((codes, code)) = f.equal {
                    let mut equal = 0;
                    for (i, c) in codes[self.base..self.at].iter().enumerate() {
                        equal |= u64::from(*c == code) << i;
                    }
                    mask &= equal;
                }
            }
            self.mask = mask;
            if mask != 0 {
                return true;
            }
        }
    }
}

impl Iterator for Rows {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.mask == 0 && !self.fill() {
            return None;
        }
        let row = self.base + self.mask.trailing_zeros() as usize;
        self.mask &= self.mask - 1;
        Some(row)
    }
}
