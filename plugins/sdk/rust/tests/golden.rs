//! Opens and asks the plugins of plugins/abi/testdata natively, and compares
//! their answers with the golden bytes.

use lestats::abi;
use lestats::*;
use std::path::PathBuf;

// The example of ABI.md.

static LOCATION: StringColumn = StringColumn::new("location");
static VALUE: NumberColumn = NumberColumn::new("value");
static STATE: StringParam = StringParam { title: "State", required: true, ..StringParam::new("state", &LOCATION) };
static KEY: CodeResult = CodeResult { title: "State", ..CodeResult::new(&LOCATION) };
static MEAN: NumberResult = NumberResult { unit_of: Some(&VALUE), ..NumberResult::new("mean") };

static EXAMPLE: Plugin = Plugin {
    title: "Example",
    license: "Apache-2.0",
    columns: &[&LOCATION, &VALUE],
    questions: &[Question {
        title: "Mean of one state",
        params: &[&STATE],
        result: Result { keys: &[&KEY], values: &[&MEAN], layout: "map", chart: "bar" },
        name: "state_mean",
            answer: state_mean,
            ..Question::NEW
    }],
    name: "example",
    version: "1.0.0",
    ..Plugin::NEW
};

fn state_mean(job: &mut Job) -> Answer {
    let code = STATE.get(job).unwrap();
    let values = VALUE.values(job);
    let (mut sum, mut n) = (0.0, 0);
    for row in job.rows(&[&VALUE, &LOCATION.is(code)]) {
        sum += values[row];
        n += 1;
    }
    if n == 0 {
        return Err(no_data(format!("no value for {}", LOCATION.text(job, code))).about(&STATE));
    }
    KEY.column(job).append(code);
    MEAN.column(job).append(sum / f64::from(n));
    Ok(())
}

// Every kind.

static CITY: StringColumn = StringColumn::new("city");
static SCORE: NumberColumn = NumberColumn::new("score");
static YEAR: IntegerColumn = IntegerColumn { optional: true, ..IntegerColumn::new("year") };
/// Which the dataset does not have.
static REMARK: StringColumn = StringColumn { optional: true, ..StringColumn::new("remark") };
static CITY_PARAM: StringParam =
    StringParam { title: "City", description: "Some.", required: true, list: true, ..StringParam::new("city", &CITY) };
static LEAST: NumberParam = NumberParam { min: Some(0.5), max: Some(99.5), default: Some(10.5), ..NumberParam::new("least") };
static YEAR_PARAM: IntegerParam = IntegerParam { min: Some(-5), max: Some(9), ..IntegerParam::new("year") };
static MODE: ChoiceParam = ChoiceParam { default: "plain", ..ChoiceParam::new("mode", &["plain", "loud"]) };
static EXACT: BooleanParam = BooleanParam { default: Some(false), ..BooleanParam::new("exact") };
static SCORE_PARAM: NumberParam = NumberParam { of: Some(&SCORE), select: true, ..NumberParam::new("score") };
static CITY_RESULT: CodeResult = CodeResult::new(&CITY);
static NOTE: StringResult = StringResult { title: "Note", ..StringResult::new("note") };
static SCORE_RESULT: NumberResult = NumberResult { unit_of: Some(&SCORE), shows: "mean", ..NumberResult::new("score") };
static N: IntegerResult = IntegerResult { unit: "rows", shows: "count", ..IntegerResult::new("n") };

static KINDS: Plugin = Plugin {
    description: "Every kind: \"quoted\" \\ \t.",
    homepage: "about:blank",
    columns: &[&CITY, &SCORE, &YEAR, &REMARK],
    questions: &[
        Question {
            result: Result { values: &[&N], layout: "record", ..Result::NEW },
            needs: &[&YEAR, &REMARK],
            name: "first",
            ..Question::NEW
        },
        Question {
            title: "Echo",
            description: "Says what it was given.",
            params: &[&CITY_PARAM, &LEAST, &YEAR_PARAM, &MODE, &EXACT, &SCORE_PARAM],
            result: Result { keys: &[&CITY_RESULT, &NOTE], values: &[&SCORE_RESULT, &N], layout: "rows", chart: "none" },
            needs: &[&YEAR],
            example: r#"{"city":["Oslo"],"where":{"year":{"min":-5}}}"#,
            name: "echo",
            answer: echo,
            ..Question::NEW
        },
    ],
    name: "kinds",
    version: "1.0.0",
    ..Plugin::NEW
};

fn echo(job: &mut Job) -> Answer {
    if let Some(year) = YEAR_PARAM.get(job) {
        return Err(bad_param(&YEAR_PARAM, format!("the year {year} is not to be given")));
    }
    let bound = LEAST.get(job).ok_or("least is required")?;
    let ending = if MODE.get(job) == Some(1) { "!" } else { "" };
    if EXACT.get(job) != Some(true) {
        return Err(failed("exact is false"));
    }
    assert_eq!((SCORE_PARAM.get(job), SCORE.unit(job), YEAR.missing(job)), (Some(7.25), "%", 4));
    assert_eq!((CITY.code(job, "Chur"), CITY.code(job, "Chu"), CITY.code(job, "Züri"), CITY.count(job)), (Some(1), None, None, 3));
    assert_eq!((job.selected(), job.ranges().len()), (19, 3));
    assert_eq!((REMARK.code(job, "none"), REMARK.count(job), REMARK.missing(job), job.rows(&[&REMARK]).next()), (None, 0, 70, None));
    for i in 0..CITY_PARAM.len(job) {
        let code = CITY_PARAM.at(job, i);
        for row in job.rows(&[&SCORE, &YEAR, &CITY.is(code)]) {
            let score = SCORE.values(job)[row];
            CITY_RESULT.column(job).append(code);
            if score < bound {
                NOTE.column(job).append_missing();
            } else {
                let text = CITY.text(job, code).to_string() + ending;
                NOTE.column(job).append(&text);
            }
            SCORE_RESULT.column(job).append(score);
            N.column(job).extend(1)[0] = YEAR.values(job)[row];
        }
    }
    CITY_RESULT.column(job).append_missing();
    NOTE.column(job).append_missing();
    SCORE_RESULT.column(job).append_missing();
    N.column(job).append_missing();
    Ok(())
}

// The test.

#[repr(align(64))]
struct Block([u8; 4 << 20]);

struct Memory(&'static mut Block);

fn file(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../abi/testdata").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

impl Memory {
    fn new() -> Memory {
        let layout = std::alloc::Layout::new::<Block>();
        // SAFETY: zeroed bytes are a Block; it is never freed.
        Memory(unsafe { &mut *(std::alloc::alloc_zeroed(layout) as *mut Block) })
    }
    fn bytes(&self, at: u32, n: u32) -> &[u8] {
        &self.0 .0[at as usize..(at + n) as usize]
    }
    fn u32(&self, at: u32) -> u32 {
        u32::from_le_bytes(self.bytes(at, 4).try_into().unwrap())
    }
    /// Puts a golden file in place and returns what travels.
    fn load(&mut self, name: &str) -> (u32, u32) {
        let b = file(name);
        let word = |i: usize| u32::from_le_bytes(b[i..i + 4].try_into().unwrap());
        let mut i = 8;
        while i < b.len() {
            let (at, n) = (word(i) as usize, word(i + 4) as usize);
            self.0 .0[at..at + n].copy_from_slice(&b[i + 8..i + 8 + n]);
            i += 8 + n;
        }
        (word(4), word(0))
    }
    /// A response with what its pointers point to in their place.
    fn flat(&self, packed: u64) -> Vec<Vec<u8>> {
        let (at, n) = ((packed >> 32) as u32, packed as u32);
        let mut out = vec![vec![n as u8], self.bytes(at, 20).to_vec(), self.bytes(at + 28, 4).to_vec()];
        let mut add = |at, n| out.push(self.bytes(at, n).to_vec());
        let (tables, error) = (self.u32(at + 20), self.u32(at + 24));
        if error != 0 {
            add(error, 16);
            add(self.u32(error + 16), self.u32(error + 20));
            add(error + 20, 12);
            return out;
        }
        add(tables, 16);
        add(tables + 20, 12);
        for i in 0..self.u32(tables + 8) {
            let c = self.u32(tables + 16) + i * self.u32(tables + 12);
            for (from, n) in [(0, 16), (20, 4), (28, 12), (48, 16)] {
                add(c + from, n);
            }
            add(self.u32(c + 16), self.u32(c + 20));
            add(self.u32(c + 24), self.u32(c + 28));
            add(self.u32(c + 44), self.u32(c + 48));
            if self.u32(c + 8) == abi::STRING {
                add(self.u32(c + 40), 4 * self.u32(c + 36) + 4);
            }
        }
        out
    }
}

fn golden(name: &str, plugin: &'static Plugin) -> (Memory, Guest) {
    let mut memory = Memory::new();
    // SAFETY: the block is aligned and never freed.
    let mut guest = unsafe { Guest::new(plugin, memory.0 .0.as_mut_ptr(), memory.0 .0.len()) };
    let packed = guest.describe();
    let json = memory.bytes((packed >> 32) as u32, packed as u32);
    assert_eq!(String::from_utf8_lossy(json), String::from_utf8_lossy(&file(&format!("{name}_manifest.json"))));
    let (at, n) = memory.load(&format!("{name}_directory.bin"));
    let packed = guest.open(at, n);
    assert_eq!(packed, 0, "{:?}", memory.flat(packed.max(1 << 40)));
    // The first again: no job leaves anything behind.
    for question in ["_", "_error_", "_"] {
        let (at, n) = memory.load(&format!("{name}{question}request.bin"));
        let got = guest.answer(at, n);
        let got = memory.flat(got);
        let (at, n) = memory.load(&format!("{name}{question}response.bin"));
        assert_eq!(got, memory.flat(abi::pack(at, n)), "{name}{question}");
    }
    (memory, guest)
}

#[test]
fn example() {
    golden("example", &EXAMPLE);
}

#[test]
fn kinds() {
    let (mut memory, mut guest) = golden("kinds", &KINDS);
    let code = |memory: &Memory, packed: u64| memory.u32(memory.u32((packed >> 32) as u32 + 24) + 8);
    // To append nothing is to find no data.
    let (at, n) = memory.load("kinds_request.bin");
    memory.0 .0[at as usize + 8..at as usize + 16].fill(0); // question 0, without parameters
    let packed = guest.answer(at, n);
    assert_eq!(code(&memory, packed), abi::ERR_NO_DATA);
    memory.0 .0[at as usize + 8] = 2; // there is none
    let packed = guest.answer(at, n);
    assert_eq!(code(&memory, packed), abi::ERR_FAILED);
    let (at, n) = memory.load("example_directory.bin"); // another's
    let packed = guest.open(at, n);
    assert_eq!(code(&memory, packed), abi::ERR_DATASET);
    let packed = guest.open(at, 31);
    assert_eq!(code(&memory, packed), abi::ERR_DATASET);
}

// In a plugin's own test an optional column may be left out.
static COUNTS: Plugin = Plugin {
    columns: &[&CITY, &YEAR, &REMARK],
    questions: &[Question {
        result: Result { values: &[&N], ..Result::NEW },
        name: "counts",
        answer: |job| {
            for n in [YEAR.missing(job), REMARK.missing(job), REMARK.count(job), job.rows(&[&YEAR]).count(), job.rows(&[&CITY]).count()] {
                N.column(job).append(n as i64);
            }
            Ok(())
        },
        ..Question::NEW
    }],
    name: "counts",
    version: "1.0.0",
    ..Plugin::NEW
};

#[test]
fn optional_columns_in_a_test() {
    let mut session = testing::Session::open(&COUNTS, &[testing::strings("city", &["Bern", "Chur", ""])]).unwrap();
    let table = session.ask("counts", &[]).unwrap();
    let counts: Vec<_> = (0..table.rows).map(|row| table.number("n", row)).collect();
    assert_eq!(counts, [3.0, 3.0, 0.0, 0.0, 2.0].map(Some));
}
