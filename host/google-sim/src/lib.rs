//! A strict stand-in for Google's device flow, Drive and Sheets.
