use crate::manifest::Encoder;
#[cfg(all(feature = "std", not(target_arch = "wasm32")))]
use crate::{testing::Value, Column};
use crate::{abi, IntegerColumn, Job, NumberColumn, StringColumn};

/// A handle to a parameter of a question, listed in [`crate::Question::params`].
/// The same handle may be used by several questions.
pub trait Param: Sync {
    #[doc(hidden)]
    fn name(&self) -> &'static str;
    #[doc(hidden)]
    fn kind(&self) -> u32;
    #[doc(hidden)]
    fn declare(&self, e: &mut Encoder);
    /// The contract's encoding of a value, or of the default; `None` if there is none.
    #[doc(hidden)]
    #[cfg(all(feature = "std", not(target_arch = "wasm32")))]
    fn encode(&self, value: Option<Value>, job: &Job) -> Option<u64>;
    /// The column whose rows it selects.
    #[doc(hidden)]
    #[cfg(all(feature = "std", not(target_arch = "wasm32")))]
    fn selects(&self) -> Option<&'static dyn Column> {
        None
    }
}

macro_rules! param {
    ($(#[$doc:meta])* $name:ident -> $value:ty, |$v:ident| $convert:expr, $($(#[$field_doc:meta])* $field:ident: $type:ty,)*) => {
        $(#[$doc])*
        pub struct $name {
            /// `[a-z][a-z0-9_]*`; "where" is reserved.
            pub name: &'static str,
            pub title: &'static str,
            pub description: &'static str,
            pub required: bool,
            /// Takes one value or an array of them.
            pub list: bool,
            $($(#[$field_doc])* pub $field: $type,)*
        }
        impl $name {
            /// What was given, or `None` where the parameter was left out. Of a list it is the first.
            pub fn get(&self, job: &Job) -> Option<$value> {
                job.values(self).first().map(|$v| $convert)
            }
            /// How many values were given.
            pub fn len(&self, job: &Job) -> usize {
                job.values(self).len()
            }
            /// Value i of a list.
            pub fn at(&self, job: &Job, i: usize) -> $value {
                let $v = &job.values(self)[i];
                $convert
            }
        }
    };
}

param!(
    /// Takes a value of a column of strings: its code.
    StringParam -> i32, |v| *v as i32,
    of: &'static StringColumn,
    /// "": none.
    default: &'static str,
    /// Only the rows that have the value reach the question.
    select: bool,
);
param!(
    /// Takes a number, or a value of a column of numbers.
    NumberParam -> f64, |v| f64::from_bits(*v),
    of: Option<&'static NumberColumn>,
    min: Option<f64>,
    max: Option<f64>,
    default: Option<f64>,
    /// With `of`: only the rows that have the value reach the question.
    select: bool,
);
param!(
    /// Takes an integer, or a value of a column of integers.
    IntegerParam -> i64, |v| *v as i64,
    of: Option<&'static IntegerColumn>,
    min: Option<i64>,
    max: Option<i64>,
    default: Option<i64>,
    /// With `of`: only the rows that have the value reach the question.
    select: bool,
);
param!(
    /// Takes one of a few words: its index.
    ChoiceParam -> usize, |v| *v as usize,
    choices: &'static [&'static str],
    /// "": none.
    default: &'static str,
);
param!(
    /// Takes true or false.
    BooleanParam -> bool, |v| *v != 0,
    default: Option<bool>,
);

impl StringParam {
    pub const fn new(name: &'static str, of: &'static StringColumn) -> StringParam {
        StringParam { name, of, title: "", description: "", required: false, list: false, default: "", select: false }
    }
}
impl NumberParam {
    pub const fn new(name: &'static str) -> NumberParam {
        NumberParam {
            name, title: "", description: "", required: false, list: false, of: None, min: None, max: None, default: None, select: false,
        }
    }
}
impl IntegerParam {
    pub const fn new(name: &'static str) -> IntegerParam {
        IntegerParam {
            name, title: "", description: "", required: false, list: false, of: None, min: None, max: None, default: None, select: false,
        }
    }
}
impl ChoiceParam {
    pub const fn new(name: &'static str, choices: &'static [&'static str]) -> ChoiceParam {
        ChoiceParam { name, choices, title: "", description: "", required: false, list: false, default: "" }
    }
}
impl BooleanParam {
    pub const fn new(name: &'static str) -> BooleanParam {
        BooleanParam { name, title: "", description: "", required: false, list: false, default: None }
    }
}

macro_rules! head {
    ($p:expr, $e:expr, $type:expr, $column:expr) => {
        $e.pair("name", $p.name);
        $e.optional("title", $p.title);
        $e.optional("description", $p.description);
        $e.pair("type", $type);
        $e.optional("column", $column);
    };
}
macro_rules! tail {
    ($p:expr, $e:expr, $select:expr) => {
        $e.flag("required", $p.required);
        $e.flag("list", $p.list);
        $e.flag("select", $select);
    };
}

impl Param for StringParam {
    fn name(&self) -> &'static str {
        self.name
    }
    fn kind(&self) -> u32 {
        abi::PARAM_COLUMN
    }
    fn declare(&self, e: &mut Encoder) {
        head!(self, e, "column", self.of.name);
        e.optional("default", self.default);
        tail!(self, e, self.select);
    }
    #[cfg(all(feature = "std", not(target_arch = "wasm32")))]
    fn encode(&self, value: Option<Value>, job: &Job) -> Option<u64> {
        match value.unwrap_or(Value::Text(self.default)) {
            Value::Text(text) => self.of.code(job, text).map(|code| code as u64),
            _ => None,
        }
    }
    #[cfg(all(feature = "std", not(target_arch = "wasm32")))]
    fn selects(&self) -> Option<&'static dyn Column> {
        Some(self.of).filter(|_| self.select).map(|c| c as &dyn Column)
    }
}

macro_rules! numeric {
    ($name:ident, $kind:expr, $word:literal, $value:ident, |$v:ident| $encode:expr) => {
        impl Param for $name {
            fn name(&self) -> &'static str {
                self.name
            }
            fn kind(&self) -> u32 {
                self.of.map_or($kind, |_| abi::PARAM_COLUMN)
            }
            fn declare(&self, e: &mut Encoder) {
                head!(self, e, self.of.map_or($word, |_| "column"), self.of.map_or("", |c| c.name));
                e.scalar("min", self.min);
                e.scalar("max", self.max);
                e.scalar("default", self.default);
                tail!(self, e, self.select);
            }
            #[cfg(all(feature = "std", not(target_arch = "wasm32")))]
            fn encode(&self, value: Option<Value>, _: &Job) -> Option<u64> {
                match value.or(self.default.map(Value::$value)) {
                    Some(Value::$value($v)) => Some($encode),
                    _ => None,
                }
            }
            #[cfg(all(feature = "std", not(target_arch = "wasm32")))]
            fn selects(&self) -> Option<&'static dyn Column> {
                self.of.filter(|_| self.select).map(|c| c as &dyn Column)
            }
        }
    };
}
numeric!(NumberParam, abi::PARAM_NUMBER, "number", Number, |v| v.to_bits());
numeric!(IntegerParam, abi::PARAM_INTEGER, "integer", Integer, |v| v as u64);

impl Param for ChoiceParam {
    fn name(&self) -> &'static str {
        self.name
    }
    fn kind(&self) -> u32 {
        abi::PARAM_CHOICE
    }
    fn declare(&self, e: &mut Encoder) {
        head!(self, e, "choice", "");
        e.list("choices", self.choices, |e, c| e.text(c));
        e.optional("default", self.default);
        tail!(self, e, false);
    }
    #[cfg(all(feature = "std", not(target_arch = "wasm32")))]
    fn encode(&self, value: Option<Value>, _: &Job) -> Option<u64> {
        match value.unwrap_or(Value::Text(self.default)) {
            Value::Text(text) => self.choices.iter().position(|c| *c == text).map(|i| i as u64),
            _ => None,
        }
    }
}

impl Param for BooleanParam {
    fn name(&self) -> &'static str {
        self.name
    }
    fn kind(&self) -> u32 {
        abi::PARAM_BOOLEAN
    }
    fn declare(&self, e: &mut Encoder) {
        head!(self, e, "boolean", "");
        e.scalar("default", self.default);
        tail!(self, e, false);
    }
    #[cfg(all(feature = "std", not(target_arch = "wasm32")))]
    fn encode(&self, value: Option<Value>, _: &Job) -> Option<u64> {
        match value.or(self.default.map(Value::Boolean)) {
            Some(Value::Boolean(on)) => Some(u64::from(on)),
            _ => None,
        }
    }
}
