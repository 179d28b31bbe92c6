package io.weft.base;

/** What became of a page of a listing. */
public sealed interface ListOutcome permits KeysPage, Rejected, Failed {}
