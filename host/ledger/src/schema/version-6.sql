-- Where a row stood before it was repeated: under which number it went on stands in the reason.
CREATE INDEX set_aside_copy ON set_aside (sink, position, reason) WHERE stage = 3;
