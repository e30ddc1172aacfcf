//! What a plugin for Le Stats Sportifs is written with, in Rust.
//!
//! A plugin declares the columns that it reads, its questions with their
//! parameters and results, and a function for each that computes the answer:
//!
//! ```
//! use lestats::*;
//!
//! static LOCATION: StringColumn = StringColumn::new("location");
//! static VALUE: NumberColumn = NumberColumn::new("value");
//! static STATE: CodeResult = CodeResult::new(&LOCATION);
//! static MOST: NumberResult = NumberResult { unit_of: Some(&VALUE), ..NumberResult::new("maximum") };
//!
//! fn maximum(job: &mut Job) -> Answer {
//!     let (values, locations) = (VALUE.values(job), LOCATION.codes(job));
//!     let mut most = vec![f64::NEG_INFINITY; LOCATION.count(job)];
//!     for row in job.rows(&[&VALUE, &LOCATION]) {
//!         let m = &mut most[locations[row] as usize];
//!         *m = m.max(values[row]);
//!     }
//!     for (code, m) in most.into_iter().enumerate().filter(|(_, m)| m.is_finite()) {
//!         STATE.column(job).append(code as i32);
//!         MOST.column(job).append(m);
//!     }
//!     Ok(())
//! }
//!
//! static PLUGIN: Plugin = Plugin {
//!     name: "extremes",
//!     version: "1.0.0",
//!     columns: &[&LOCATION, &VALUE],
//!     questions: &[Question {
//!         name: "maximum",
//!         answer: maximum,
//!         result: Result { keys: &[&STATE], values: &[&MOST], layout: "map", ..Result::NEW },
//!         ..Question::NEW
//!     }],
//!     ..Plugin::NEW
//! };
//! serve!(PLUGIN);
//! ```
//!
//! What is declared doubles as a typed handle, and holds no data: everything that
//! a question reads and writes goes through its [`Job`]. A handle must be a `static`, because it
//! is known by its address. A panic ends the job; the host's log has its text.
#![cfg_attr(not(any(feature = "std", test)), no_std)]

extern crate alloc;

pub mod abi;
mod guest;
mod job;
mod manifest;
mod memory;
mod params;
mod results;
#[cfg(all(feature = "std", not(target_arch = "wasm32")))]
pub mod testing;

pub use guest::Guest;
pub use job::{Filter, Is, Job, Level, Rows};
pub use memory::exports;
pub use params::{BooleanParam, ChoiceParam, IntegerParam, NumberParam, Param, StringParam};
pub use results::{CodeResult, Codes, IntegerResult, Integers, NumberResult, Numbers, ResultColumn, StringResult, Strings};

use alloc::string::String;

/// A plugin as described by its manifest; `..Plugin::NEW` fills in the rest.
pub struct Plugin {
    pub name: &'static str,
    pub version: &'static str,
    pub title: &'static str,
    pub description: &'static str,
    pub license: &'static str,
    pub homepage: &'static str,
    /// Of the dataset: what the questions read, each once.
    pub columns: &'static [&'static dyn Column],
    pub questions: &'static [Question],
    /// Called once, with all rows, before any question: what it keeps every
    /// question finds. An error refuses the dataset.
    pub open: Option<fn(&mut Job) -> Answer>,
}

impl Plugin {
    /// Defaults for the fields that are left out.
    pub const NEW: Plugin =
        Plugin { name: "", version: "", title: "", description: "", license: "", homepage: "", columns: &[], questions: &[], open: None };
}

/// One named analysis.
pub struct Question {
    pub name: &'static str,
    pub title: &'static str,
    pub description: &'static str,
    pub params: &'static [&'static dyn Param],
    pub result: Result,
    /// Optional columns that the question cannot do without: a dataset that lacks one does
    /// not have the question.
    pub needs: &'static [&'static dyn Column],
    /// The JSON body of a request that shows the question at its best:
    /// `r#"{"state": "Ohio", "where": {"year": 2020}}"#`, with every required parameter. The host's pages
    /// and commands use it unless their dataset lacks its values. "": they choose the values.
    pub example: &'static str,
    /// Appends rows to each of the result's columns. To append nothing is to
    /// find no data.
    pub answer: fn(&mut Job) -> Answer,
}

impl Question {
    /// Defaults for the fields that are left out.
    pub const NEW: Question =
        Question { name: "", title: "", description: "", params: &[], result: Result::NEW, needs: &[], example: "", answer: |_| Ok(()) };
}

/// Declares the table that answers a question.
pub struct Result {
    pub keys: &'static [&'static dyn ResultColumn],
    /// At least one.
    pub values: &'static [&'static dyn ResultColumn],
    /// "rows", "map", "nested" or "record".
    pub layout: &'static str,
    /// "bar", "dots" (with intervals), "line", "map", "none", or "": the page decides.
    pub chart: &'static str,
}

impl Result {
    /// Defaults for the fields that are left out.
    pub const NEW: Result = Result { keys: &[], values: &[], layout: "", chart: "" };
}

/// What the function of a question returns.
pub type Answer = core::result::Result<(), Error>;

/// Why there is no answer. A text alone, by `?` or `into`, is one that failed.
pub struct Error {
    pub code: u32,
    pub param: Option<&'static dyn Param>,
    pub text: String,
}

/// It could not be computed.
pub fn failed(text: impl Into<String>) -> Error {
    Error { code: abi::ERR_FAILED, param: None, text: text.into() }
}

/// The value of a parameter makes no sense.
pub fn bad_param(param: &'static dyn Param, text: impl Into<String>) -> Error {
    Error { code: abi::ERR_BAD_PARAM, param: Some(param), text: text.into() }
}

/// No selected row has what the question needs.
pub fn no_data(text: impl Into<String>) -> Error {
    Error { code: abi::ERR_NO_DATA, param: None, text: text.into() }
}

impl Error {
    /// Says which parameter it is about.
    pub fn about(self, param: &'static dyn Param) -> Error {
        Error { param: Some(param), ..self }
    }
}

impl From<&str> for Error {
    fn from(text: &str) -> Error {
        failed(text)
    }
}

impl From<String> for Error {
    fn from(text: String) -> Error {
        failed(text)
    }
}

/// A handle to a column of the dataset, listed in [`Plugin::columns`]. As a
/// [`Filter`] it passes the rows whose value is present.
pub trait Column: Sync {
    fn name(&self) -> &'static str;
    /// One of abi::FLOAT64, INT64 and STRING.
    fn kind(&self) -> u32;
    /// A dataset without this column fits the plugin nevertheless.
    fn optional(&self) -> bool {
        false
    }
}

macro_rules! column {
    ($(#[$doc:meta])* $name:ident, $kind:expr) => {
        $(#[$doc])*
        pub struct $name {
            pub name: &'static str,
            /// A dataset without such a column fits the plugin nevertheless. Then no row has a
            /// value, and a dictionary is empty. See [`Question::needs`].
            pub optional: bool,
        }
        impl $name {
            pub const fn new(name: &'static str) -> $name {
                $name { name, optional: false }
            }
            /// How many rows of the dataset have no value.
            pub fn missing(&self, job: &Job) -> usize {
                job.data(self).wire.null_count as usize
            }
            /// The dataset's unit, such as "%", or "".
            pub fn unit(&self, job: &Job) -> &'static str {
                job.data(self).unit
            }
        }
        impl Column for $name {
            fn name(&self) -> &'static str {
                self.name
            }
            fn kind(&self) -> u32 {
                $kind
            }
            fn optional(&self) -> bool {
                self.optional
            }
        }
        impl Filter for $name {
            fn narrow(&self, job: &Job) -> job::Narrow {
                job::Narrow { valid: job.data(self).valid, equal: None }
            }
        }
    };
}

column!(
    /// A column of f64.
    NumberColumn,
    abi::FLOAT64
);
column!(
    /// A column of i64.
    IntegerColumn,
    abi::INT64
);
column!(
    /// A column of strings: one code per row, and a dictionary that says what each
    /// stands for. It ascends bytewise, so comparing codes compares strings.
    StringColumn,
    abi::STRING
);

impl NumberColumn {
    /// The numbers of all rows of the dataset. The value of a missing row is undefined.
    pub fn values(&self, job: &Job) -> &'static [f64] {
        job.data(self).numbers
    }
}

impl IntegerColumn {
    /// The integers of all rows of the dataset. The value of a missing row is undefined.
    pub fn values(&self, job: &Job) -> &'static [i64] {
        job.data(self).integers
    }
}

impl StringColumn {
    /// The codes of all rows of the dataset. The value of a missing row is undefined.
    pub fn codes(&self, job: &Job) -> &'static [i32] {
        job.data(self).codes
    }

    /// The size of the dictionary: codes are from 0 up to below it.
    pub fn count(&self, job: &Job) -> usize {
        job.data(self).wire.dict_count as usize
    }

    /// The string that a code stands for, without copying it.
    pub fn text(&self, job: &Job, code: i32) -> &'static str {
        job.data(self).text(code as usize)
    }

    /// The code of a string, or `None` where the column has no such value.
    pub fn code(&self, job: &Job, text: &str) -> Option<i32> {
        let data = job.data(self);
        let (mut low, mut high) = (0, self.count(job));
        while low < high {
            let middle = (low + high) / 2;
            match data.text(middle).cmp(text) {
                core::cmp::Ordering::Less => low = middle + 1,
                core::cmp::Ordering::Equal => return Some(middle as i32),
                core::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// Passes the rows whose value has this code.
    pub fn is(&'static self, code: i32) -> Is {
        Is { column: self, code }
    }
}
