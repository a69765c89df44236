//! The headlines that devices say in trials, as `status` and the panel show them.

/// From the fourth failure in a row on.
pub(crate) const NO_ANSWER: &str = "no answer from Google";
/// The same, of what Google itself answers.
pub(crate) const GOOGLE_NOT_READY: &str = "Google is not ready";
pub(crate) const NOT_REACHED: &str = "server not reached";
pub(crate) const SERVER_IN_TROUBLE: &str = "server has trouble";
/// Of whatever answers in place of a server, to the sink and to the sign-in.
pub(crate) const NOT_GOOGLE: &str = "not Google's answer";
pub(crate) const NETWORK_IN_THE_WAY: &str = "network in the way";

/// While a token waits to be renewed that is not 30 s old, as those of a trial are.
pub(crate) const TOKEN_REFUSED: &str = "token was refused";
/// Of a sink that waits for another token.
pub(crate) const SIGN_IN_NOT_ACCEPTED: &str = "sign-in not accepted";
pub(crate) const ACCESS_REFUSED: &str = "access was refused";
pub(crate) const PERMISSION_MISSING: &str = "permission is missing";
/// Instead of a headline: somebody has to enter it.
pub(crate) const CODE: &str = "a code is shown";
pub(crate) const CODE_EXPIRED: &str = "code expired";
pub(crate) const CODE_NOT_ACCEPTED: &str = "code not accepted";
pub(crate) const SIGNED_OUT: &str = "signed-out";
pub(crate) const TOKENS_DAMAGED: &str = "tokens were damaged";

pub(crate) const SHEET_DELETED: &str = "sheet was deleted";
pub(crate) const IN_THE_BIN: &str = "sheet is in the bin";
pub(crate) const TAB_DELETED: &str = "tab was deleted";
pub(crate) const IN_DOUBT: &str = "rows are in doubt";
pub(crate) const CREATION_IN_DOUBT: &str = "creation is in doubt";

/// A press was refused, and none was recorded since.
pub(crate) const NOT_RECORDED: &str = "NOT recorded";
/// What is said to whoever asks, while there is no ledger.
pub(crate) const NO_LEDGER: &str = "nothing is recorded";
/// The device takes nothing more, and ends in a moment.
pub(crate) const LOST_A_WRITE: &str = "card lost a write";
pub(crate) const LEDGER_UNREADABLE: &str = "ledger can't be read";
pub(crate) const LEDGER_REFUSES: &str = "ledger refuses";

/// Of a sink whose formatter was given times that proved wrong.
pub(crate) const TIMES_WRONG: &str = "times were wrong";

/// Instead of a headline, of a part that tries again and again.
pub(crate) const FAILING: &str = "failing";
pub(crate) const OFF: &str = "off";
/// Of a ledger that was restored.
pub(crate) const COMPARES_FIRST: &str = "compares first";
pub(crate) const PLUGIN_OFF: &str = "a plugin is off";
/// The version before runs on.
pub(crate) const PLUGIN_FILE_BAD: &str = "plugin file is bad";
