//! Panics of a run: kept, with the place and the process, instead of printed. None is lost.

use std::cell::RefCell;
use std::panic::PanicHookInfo;
use std::sync::Once;

use super::moment;

thread_local! {
    /// None outside of runs.
    static KEPT: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// From now on the panics of this thread are kept. Those of other threads go where they went before.
pub(super) fn keep() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !kept(info) {
                before(info);
            }
        }));
    });
    KEPT.set(Some(Vec::new()));
}

/// What has panicked in this thread since [`keep`].
pub(super) fn so_far() -> Vec<String> {
    KEPT.with_borrow(|kept| kept.clone().unwrap_or_default())
}

/// Whether nothing has panicked in this thread since [`keep`].
pub(super) fn none() -> bool {
    KEPT.with_borrow(|kept| kept.as_ref().is_none_or(Vec::is_empty))
}

fn kept(info: &PanicHookInfo<'_>) -> bool {
    let says = info.payload_as_str().unwrap_or("something that is no text");
    let place = info.location().map(|place| format!(" at {place}")).unwrap_or_default();
    let who = moment::label().map_or_else(|| "the world".to_owned(), |label| label.to_string());
    let line = format!("{who} panicked{place}: {says}");
    KEPT.try_with(|kept| match kept.try_borrow_mut().as_deref_mut() {
        Ok(Some(kept)) => {
            kept.push(line);
            true
        }
        Ok(None) | Err(_) => false,
    })
    .unwrap_or(false)
}
