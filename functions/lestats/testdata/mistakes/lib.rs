//! mistakes has a question for each mistake that newcomers make.

use lestats::*;

static LOCATION: StringColumn = StringColumn::new("location");
static VALUE: NumberColumn = NumberColumn::new("value");
static YEAR: IntegerColumn = IntegerColumn::new("year"); // not listed in columns

static LEAST: NumberParam = NumberParam { min: Some(0.0), ..NumberParam::new("least") }; // not listed in params

static STATE: CodeResult = CodeResult::new(&LOCATION);
static MEAN: NumberResult = NumberResult::new("mean");
static COUNT: IntegerResult = IntegerResult::new("count"); // not listed in result

fn row(job: &mut Job, code: i32, v: f64) {
    STATE.column(job).append(code);
    MEAN.column(job).append(v);
}

macro_rules! mistake {
    ($name:expr, $layout:expr, $answer:expr) => {
        Question {
            name: $name,
            answer: $answer,
            result: Result { keys: &[&STATE], values: &[&MEAN], layout: $layout, ..Result::NEW },
            ..Question::NEW
        }
    };
}

fn forgot_column(job: &mut Job) -> Answer {
    let n = YEAR.values(job).len();
    row(job, 0, n as f64);
    Ok(())
}
fn forgot_parameter(job: &mut Job) -> Answer {
    let v = LEAST.get(job).unwrap_or(0.0);
    row(job, 0, v);
    Ok(())
}
fn forgot_result(job: &mut Job) -> Answer {
    row(job, 0, 1.0);
    COUNT.column(job).append(1);
    Ok(())
}
fn uneven(job: &mut Job) -> Answer {
    row(job, 0, 1.0);
    MEAN.column(job).append(1.0);
    Ok(())
}
fn nan(job: &mut Job) -> Answer {
    row(job, 0, f64::NAN);
    Ok(())
}
fn duplicate_key(job: &mut Job) -> Answer {
    row(job, 0, 1.0);
    row(job, 0, 2.0);
    Ok(())
}
fn panics(job: &mut Job) -> Answer {
    let v = VALUE.values(job)[job.selected() * 2 + 100000];
    row(job, 0, v);
    Ok(())
}
fn endless(job: &mut Job) -> Answer {
    let mut n = 0u32;
    while job.selected() != usize::MAX {
        n = n.wrapping_add(unsafe { std::ptr::read_volatile(&1) });
    }
    row(job, 0, f64::from(n));
    Ok(())
}
fn huge(job: &mut Job) -> Answer {
    let v = vec![1u8; unsafe { std::ptr::read_volatile(&(1 << 30)) }];
    row(job, 0, v.len() as f64);
    Ok(())
}

static PLUGIN: Plugin = Plugin {
    name: "mistakes",
    version: "1.0.0",
    columns: &[&LOCATION, &VALUE],
    questions: &[
        mistake!("forgot_column", "rows", forgot_column),
        mistake!("forgot_parameter", "rows", forgot_parameter),
        mistake!("forgot_result", "rows", forgot_result),
        mistake!("uneven", "rows", uneven),
        mistake!("nan", "rows", nan),
        mistake!("duplicate_key", "map", duplicate_key),
        mistake!("panics", "rows", panics),
        mistake!("endless", "rows", endless),
        mistake!("huge", "rows", huge),
    ],
    ..Plugin::NEW
};
serve!(PLUGIN);
