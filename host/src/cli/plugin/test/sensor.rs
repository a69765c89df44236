//! What a sensor says where nothing is lent to it: what it wants to be lent, and that it fails in words.

use std::sync::Arc;

use punchcard_core::plugin::sensor::Polled;
use punchcard_sandbox::lender::Nothing;
use punchcard_sandbox::{CallError, Sensor};
use serde_json::json;

use super::super::super::exit::{Exit, Failure};
use super::super::super::output::print_line;
use super::super::super::printable;
use super::{NOW, TestArguments, call_failed, context};

pub(super) async fn test(sensor: &Sensor, arguments: &TestArguments, settings: &str) -> Result<Exit, Failure> {
    sensor.check(settings).await.map_err(call_failed("check"))?;
    let loans = sensor.loans(settings).await.map_err(call_failed("list-loans"))?;
    let polled = sensor.poll(Arc::new(Nothing), settings, &[], &context(NOW, 1)).await;
    let (said, exit) = match polled {
        Ok(Polled { readings, .. }) => (format!("{} readings: {readings:?}", readings.len()), Exit::Success),
        // Without a chip this is as it should be.
        Err(CallError::Returned(error)) => (format!("without hardware it says: {error}"), Exit::Success),
        Err(error) => (format!("its poll is wrong: {error}"), Exit::Failure),
    };
    if arguments.json {
        let opens = json!({ "i2c": loans.i2c, "lines": loans.lines, "one-wire": loans.one_wire });
        print_line(json!({ "world": "sensor", "opens": opens, "poll": said }))?;
        return Ok(exit);
    }
    for (what, names) in [("chip", &loans.i2c), ("line", &loans.lines), ("1-Wire device", &loans.one_wire)] {
        for name in names {
            print_line(format_args!("it opens the {what} `{}`", printable(name)))?;
        }
    }
    print_line(printable(&said))?;
    Ok(exit)
}
