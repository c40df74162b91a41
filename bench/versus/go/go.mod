module sennit/bench/versus

go 1.18

require golang.org/x/sync v0.11.0
