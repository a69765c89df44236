//! Random histories, compared step by step with the model.

use proptest::prelude::{prop, proptest};

use super::cases;
use super::device::{Device, Step, step};

fn play(steps: &[Step]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut device = Device::new().await;
        for step in steps {
            device.perform(step).await;
            device.compare().await;
        }
    });
}

proptest! {
    #![proptest_config(cases(48))]
    #[test]
    fn a_ledger_holds_what_the_model_holds_after_every_step_of_any_history(steps in prop::collection::vec(step(), 1..60)) {
        play(&steps);
    }
}

/// What chance once found, in so few steps as it took. Seeds find something else as soon as there are other steps.
#[test]
fn a_ledger_holds_what_the_model_holds_in_histories_in_which_it_once_did_not() {
    let accept = |timed| Step::Accept { kind: 0, timed };
    // A correction of what the service refused.
    play(&[
        accept(false),
        accept(false),
        accept(true),
        accept(false),
        Step::Format { sink: 0, max: 4, rows: 2, columns: 1 },
        Step::Open { sink: 0, rows: 5 },
        Step::Complete { sink: 0, rejected: Some(4) },
        accept(false),
        Step::Format { sink: 0, max: 1, rows: 0, columns: 1 },
        Step::Correct { sink: 0, which: 7_805_961_994_818_020_158 },
    ]);
}
