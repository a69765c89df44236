//! Random histories, compared step by step with the model.

use proptest::prelude::{prop, proptest};

use super::cases;
use super::device::{Device, step};

proptest! {
    #![proptest_config(cases(48))]
    #[test]
    fn a_ledger_holds_what_the_model_holds_after_every_step_of_any_history(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut device = Device::new().await;
            for step in &steps {
                device.perform(step).await;
                device.compare().await;
            }
        });
    }
}
